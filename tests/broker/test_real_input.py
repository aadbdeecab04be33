"""Real input through other people's clients: one decision, whoever sent it and however keyed.

A unit is a photograph, a measured spectrum and a work order. Its records are made from the
published contracts alone (the field names, the .avsc files), not with our own codec, and are sent
by kcat and by confluent-kafka, whose default partitioner is not the one of the home partitions.
"""

import base64
import json
import time
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import jsonschema
import pytest
from fastavro.schema import fingerprint, to_parsing_canonical_form
from support.kcat import Kcat
from support.real_data import photograph, spectrum, work_order
from support.sender import ANY, Sender
from support.topic_tail import TopicTail
from support.worker_process import SHORT, Workers

from schemas.decision import Decision
from schemas.modality import MODALITIES, Modality
from stream.kafka.partitioner import home_partition
from stream.kafka.topics import Topics
from stream.settings import Settings

SEEN = (Modality.VISUAL, Modality.SPECTRAL, Modality.TEXT)
Fields = dict[str, Any]
Send = Callable[[Modality, Fields], None]


@pytest.fixture
def workers(settings: Settings, tmp_path: Path) -> Iterator[Workers]:
    with Workers(settings.model_copy(update=SHORT), tmp_path) as started:
        yield started


@pytest.fixture
def sender(settings: Settings) -> Iterator[Sender]:
    with Sender(settings) as opened:
        yield opened


def observe(unit_id: str, modality: Modality) -> Fields:
    """What a station says of the unit, numbers as numbers and bytes as bytes."""
    common = {
        "unit_id": unit_id,
        "observation_id": f"{unit_id}/{modality}",
        "captured_at": datetime.now(UTC).replace(microsecond=0),
        "source": f"station-{modality}",
    }
    if modality is Modality.VISUAL:
        return {**common, "image": photograph(), "media_type": "image/jpeg"}
    if modality is Modality.TEXT:
        return {**common, "text": work_order(), "language": "en-AU"}
    axis, intensities = spectrum()
    return {**common, "intensities": intensities, "axis": {"positions": axis, "unit": "cm-1"}}


# -- the two encodings, from the published contracts ---------------------------------------


def as_json(fields: Fields) -> bytes:
    """Bytes as base64, arrays as lists of numbers, the time as RFC 3339."""

    def plain(value: Any) -> Any:
        if isinstance(value, bytes):
            return base64.b64encode(value).decode()
        return value.isoformat() if isinstance(value, datetime) else value.tolist()

    return json.dumps(fields, default=plain).encode()


def as_avro(modality: Modality, fields: Fields) -> bytes:
    """Avro single-object encoding, with the published schema."""
    schema = json.loads(files("schemas").joinpath("avsc", f"{modality}.avsc").read_text())
    print_ = fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO")

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: plain(item) for name, item in value.items()}
        return value.astype("<f4").tobytes() if hasattr(value, "astype") else value

    body = BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(schema), plain(fields))
    return b"\xc3\x01" + bytes.fromhex(print_) + body.getvalue()


# -- the two clients -------------------------------------------------------------------------


def by_kcat(kcat: Kcat, settings: Settings, *options: str | bytes) -> Send:
    """kcat, in JSON."""

    def send(modality: Modality, fields: Fields) -> None:
        topic = Topics.of(settings).observation(modality)
        kcat.send(settings, topic, as_json(fields), *options)

    return send


def by_confluent(sender: Sender, key: str | None = None, partition: int = ANY) -> Send:
    """librdkafka with its defaults, `consistent_random` among them."""

    def send(modality: Modality, fields: Fields) -> None:
        sender.record(
            sender.topics.observation(modality),
            as_avro(modality, fields),
            None if key is None else key.encode(),
            partition,
        )

    return send


def unit(way: str, settings: Settings) -> str:
    """A unit that CRC32 and murmur2 send to different partitions."""
    names = (f"REAL-{way}-{number}" for number in range(1000))
    return next(n for n in names if crc32_partition(n, settings) != home(n, settings))


def crc32_partition(key: str, settings: Settings) -> int:
    return zlib.crc32(key.encode()) % settings.partitions


def home(unit_id: str, settings: Settings) -> int:
    return home_partition(unit_id, settings.partitions)


def wrong(unit_id: str, settings: Settings) -> int:
    return (home(unit_id, settings) + 1) % settings.partitions


# -- what must come of it --------------------------------------------------------------------


async def decide_once(
    workers: Workers, topics: Topics, sender: Sender, sent: dict[str, Send]
) -> dict[str, set[int]]:
    """Send every unit in its way, all among each other; each gets the one decision it should.

    Returns:
        Of each unit the partitions on which its records lay.
    """
    workers.start()
    await workers.ready()
    said = {unit_id: {m: observe(unit_id, m) for m in SEEN} for unit_id in sent}
    for modality in SEEN:
        for unit_id, send in sent.items():
            send(modality, said[unit_id][modality])
    await sender.flush()
    last = time.monotonic()
    async with TopicTail(workers.settings, topics.decisions) as decisions:
        await workers.until(
            lambda: {d.unit_id for d in decisions.decisions()} == set(sent), "a decision on each"
        )
        # As long as a second one, on evidence that had lagged behind, could still come.
        quiet = last + workers.settings.window + workers.settings.grace
        await workers.until(lambda: time.monotonic() > quiet)
        schema = json.loads(files("schemas").joinpath("decision.schema.json").read_text())
        for record in decisions.records:
            jsonschema.validate(json.loads(record.value), schema)
        found = {u: [summary(d) for d in decisions.of_unit(u)] for u in sent}
        lay = {u: {e.partition for d in decisions.of_unit(u) for e in d.evidence} for u in sent}
    expected = {
        "revision": 1,
        "status": "final",
        "closed_by": "window",
        "missing": set(MODALITIES) - set(SEEN),
    }
    assert found == {
        unit_id: [
            {
                **expected,
                "evidence": {
                    (
                        m,
                        of["observation_id"],
                        of["source"],
                        of["captured_at"],
                        topics.observation(m),
                    )
                    for m, of in observations.items()
                },
            }
        ]
        for unit_id, observations in said.items()
    }
    async with TopicTail(workers.settings, topics.dead_letter) as dead:
        assert dead.records == []
    return lay


def summary(decision: Decision) -> dict[str, object]:
    return {
        "revision": decision.revision,
        "status": decision.status,
        "closed_by": decision.passage.closed_by,
        "missing": set(decision.missing),
        "evidence": {
            (e.modality, e.observation_id, e.source, e.captured_at, e.topic)
            for e in decision.evidence
        },
    }


async def test_confluent_kafka_with_avro(workers: Workers, topics: Topics, sender: Sender) -> None:
    s = workers.settings
    keyed, unkeyed, astray = (unit(way, s) for way in ("keyed", "null-key", "wrong-partition"))
    ways = {
        keyed: by_confluent(sender, key=keyed),
        unkeyed: by_confluent(sender),
        astray: by_confluent(sender, key=astray, partition=wrong(astray, s)),
    }
    lay = await decide_once(workers, topics, sender, ways)
    assert lay[keyed] == {crc32_partition(keyed, s)} != {home(keyed, s)}
    assert lay[astray] == {wrong(astray, s)}


@pytest.mark.real_kafka
async def test_kcat_with_json_and_both_mixed(
    workers: Workers, topics: Topics, sender: Sender, kcat: Kcat
) -> None:
    s = workers.settings
    keyed, unkeyed, astray, mixed = (
        unit(way, s) for way in ("keyed", "null-key", "wrong-partition", "mixed")
    )

    def mix(modality: Modality, fields: Fields) -> None:
        """The photograph with kcat and no key, the spectrum by Java's partitioner, ..."""
        senders = {
            Modality.VISUAL: by_kcat(kcat, s),
            Modality.SPECTRAL: by_confluent(sender, key=mixed, partition=home(mixed, s)),
            Modality.TEXT: by_kcat(kcat, s, "-k", mixed),
        }
        senders[modality](modality, fields)

    ways = {
        keyed: by_kcat(kcat, s, "-k", keyed),
        unkeyed: by_kcat(kcat, s),
        astray: by_kcat(kcat, s, "-k", astray, "-p", str(wrong(astray, s))),
        mixed: mix,
    }
    lay = await decide_once(workers, topics, sender, ways)
    assert lay[keyed] == {crc32_partition(keyed, s)} != {home(keyed, s)}
    assert lay[astray] == {wrong(astray, s)}


@pytest.mark.real_kafka
async def test_a_header_name_that_is_not_utf8_stops_nothing(
    workers: Workers, topics: Topics, kcat: Kcat
) -> None:
    """The client library cannot read such a record; the good ones around it must be decided."""
    settings = workers.settings
    unit_id = unit("kcat-headers", settings)
    key = ["-k", unit_id, "-p", str(home(unit_id, settings))]
    send = by_kcat(kcat, settings, *key)
    poison = by_kcat(kcat, settings, *key, "-H", b"\xff\xfe=1")
    stray = observe(unit_id, Modality.TEXT) | {"observation_id": "poison"}
    send(Modality.TEXT, observe(unit_id, Modality.TEXT))
    poison(Modality.TEXT, stray)
    send(Modality.VISUAL, observe(unit_id, Modality.VISUAL))
    worker = workers.start()  # it finds the poison in its backlog, and when it looks for its start
    poison(Modality.TEXT, stray)
    send(Modality.SPECTRAL, observe(unit_id, Modality.SPECTRAL))
    async with (
        TopicTail(settings, topics.decisions) as decided,
        TopicTail(settings, topics.dead_letter) as dead,
    ):
        await workers.until(lambda: bool(decided.of_unit(unit_id)), "the unit decided")
        await workers.until(lambda: len(dead.records) == 2, "both in the dead letters")
    (decision,) = decided.of_unit(unit_id)
    assert {evidence.modality for evidence in decision.evidence} == set(SEEN)
    told = [dict(letter.headers) for letter in dead.records]
    assert {headers["__connect.errors.offset"] for headers in told} == {b"1", b"2"}
    for headers in told:
        assert headers["__connect.errors.topic"] == topics.observation(Modality.TEXT).encode()
        assert headers["__connect.errors.stage"] == b"fetch"
    assert worker.running
