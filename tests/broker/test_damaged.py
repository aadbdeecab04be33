"""10,000 damaged records: each becomes a dead letter, and the line does not notice."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.damage import KINDS, Damaged, damaged_records
from support.sender import Sender, observe
from support.topic_tail import TopicTail
from support.worker_process import Workers

from schemas.modality import MODALITIES
from stream.kafka.topics import Topics
from stream.settings import Settings

DAMAGED = 10_000
GOOD_UNITS = 40
Place = tuple[str, int, int]


@pytest.fixture
def workers(settings: Settings, tmp_path: Path) -> Iterator[Workers]:
    # Longer than the test: who is decided early is complete.
    with Workers(settings.model_copy(update={"window": 300.0}), tmp_path) as started:
        yield started


@pytest.fixture
def sender(settings: Settings) -> Iterator[Sender]:
    with Sender(settings) as opened:
        yield opened


async def test_damaged_records_become_dead_letters(
    workers: Workers, topics: Topics, sender: Sender
) -> None:
    settings = workers.settings
    worker = workers.start()
    await workers.ready()
    pid = worker.pid
    units = [f"GOOD-{number}" for number in range(GOOD_UNITS)]
    async with (
        TopicTail(settings, topics.dead_letter) as dead,
        TopicTail(settings, topics.decisions) as decisions,
    ):
        good = (observation for unit in units for observation in observe(unit))
        every = DAMAGED // (GOOD_UNITS * len(MODALITIES))
        places: dict[Place, Damaged] = {}
        chance = random.Random(5)
        for number, record in enumerate(damaged_records(DAMAGED, seed=11)):
            send_damaged(sender, record, chance.randrange(settings.partitions), places)
            if number % every == 0 and (observation := next(good, None)):
                sender.observation(observation, encoding=chance.choice(["avro", "json"]))
            if number % 500 == 0:
                await asyncio.sleep(0)
        await sender.flush()
        assert next(good, None) is None
        assert len(places) == DAMAGED
        await workers.until(lambda: len(dead.records) >= DAMAGED, "10,000 dead letters", 120)
        await workers.until(lambda: len(decisions.records) >= GOOD_UNITS, "the good ones", 30)
        for observation in observe("AFTER"):
            sender.observation(observation)
        await workers.until(lambda: bool(decisions.of_unit("AFTER")), "one more unit", 30)

    assert worker.running
    assert worker.pid == pid
    decided = decisions.decisions()
    assert Counter(d.unit_id for d in decided) == dict.fromkeys([*units, "AFTER"], 1)
    assert {(d.status, d.passage.closed_by, len(d.missing)) for d in decided} == {
        ("final", "complete", 0)
    }
    assert_all_dead(dead.records, places)


def send_damaged(
    sender: Sender, record: Damaged, partition: int, places: dict[Place, Damaged]
) -> None:
    topics = sender.topics
    topic = topics.observation(record.modality) if record.modality else topics.features

    def delivered(partition: int, offset: int) -> None:
        places[topic, partition, offset] = record

    sender.record(
        topic,
        record.value,
        record.key,
        partition,
        record.headers,
        delivered=delivered,
    )


def assert_all_dead(letters: list[Any], places: dict[Place, Damaged]) -> None:
    assert {record.kind for record in places.values()} == {*KINDS, "oversized"}
    found: dict[Place, Any] = {}
    for letter in letters:
        place = place_of(letter)
        assert place in places, f"nobody sent {place}"
        found.setdefault(place, letter)
    assert Counter(r.kind for p, r in places.items() if p not in found) == Counter()
    wrong = {
        (record.kind, fault)
        for place, record in places.items()
        if (fault := fault_of(found[place], record))
    }
    assert wrong == set()


def place_of(letter: Any) -> Place:
    """Where the record lay that became this dead letter (of repeated headers the last is ours)."""
    headers = dict(letter.headers)
    topic, partition, offset = (
        headers[f"__connect.errors.{name}"].decode() for name in ("topic", "partition", "offset")
    )
    return topic, int(partition), int(offset)


def fault_of(letter: Any, record: Damaged) -> str | None:
    """What is wrong with the dead letter."""
    headers = dict(letter.headers)
    kept = list(letter.headers[: len(record.headers)])
    if kept != record.headers:
        return f"headers {record.headers} became {kept}"
    if letter.key != record.key:
        return f"key {record.key!r} became {letter.key!r}"
    if record.key is None and record.value is None:
        # aiokafka refuses to send that, so a header says it.
        if letter.value != b"" or headers.get("regrade.null") != b"key,value":
            return f"neither key nor value became {letter.value!r}"
    elif letter.value != record.value:
        return "the value changed"
    reason = headers["regrade.reason"].decode()
    if reason not in record.reasons:
        return f"reason {reason}, not one of {sorted(record.reasons)}"
    if headers["__connect.errors.stage"].decode() != record.stage:
        return f"stage {headers['__connect.errors.stage'].decode()}"
    if not headers["__connect.errors.exception.class.name"].startswith(b"schemas.errors."):
        return f"class {headers['__connect.errors.exception.class.name'].decode()}"
    if not headers["__connect.errors.exception.message"]:
        return "no message"
    return None
