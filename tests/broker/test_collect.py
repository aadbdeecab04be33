"""`regrade collect` behind a worker: the file holds what the simulator's stations saw, exactly."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from support.decisions import a_decision, evidence_of
from support.sender import now_ms, observe
from support.topic_tail import TopicTail
from support.worker_process import Workers

from agents.distiller.files import save_model
from agents.distiller.model import HybridCrossModalDistiller, ModelConfig
from agents.extract.kinds import KINDS, extract
from agents.join import Arrival
from agents.lab.training.dataset import SHAPES, Dataset
from schemas.codec import encode
from schemas.decision import Decision
from schemas.feature_record import Origin
from schemas.modality import MODALITIES, Modality
from schemas.observation import Observation
from schemas.record import Record
from stream.cli import main
from stream.configure import extract_steps
from stream.errors import CollectError
from stream.kafka.connection import client_options
from stream.kafka.partitioner import home_partition
from stream.kafka.topics import Topics
from stream.replay.collect import collect
from stream.settings import Settings

TEXT, BATTERY, THERMAL = Modality.TEXT, Modality.BATTERY, Modality.THERMAL
DECIDED = 24
"""Units that the worker decides, every third of them through another partition than its own."""


class Line:
    """Sends observations, and decisions made by hand."""

    def __init__(self, settings: Settings, producer: AIOKafkaProducer) -> None:
        self.settings = settings
        self.topics = Topics.of(settings)
        self.began = now_ms() - 60_000
        self._producer = producer

    def observed(self, number: int, *modalities: Modality) -> list[Observation]:
        """Of the unit that entered the line as the `number`th, one a second."""
        return list(observe(f"LT-{number:03}", modalities, self.began + 1000 * number))

    async def send(self, observation: Observation, beside: int = 0) -> Arrival:
        """Send it to the partition `beside` its home; gives the evidence that it is."""
        topic = self.topics.observation(observation.modality)
        partition = (self.home(observation.unit_id) + beside) % self.settings.partitions
        key = observation.unit_id.encode()
        sent = await self._producer.send_and_wait(topic, encode(observation), key, partition)
        return evidence_of(observation, Origin(topic, partition, sent.offset))

    async def extracted(self, observation: Observation, beside: int = 0) -> Arrival:
        """Send it, and what the extract stage would make of it."""
        evidence = await self.send(observation, beside)
        record = Record(*evidence.origin, -1, None, encode(observation))
        step = extract_steps(self.settings, self.settings.partitions)[record.topic]
        [found] = step.step([record], now_ms())
        out = found.outgoing
        await self._producer.send_and_wait(out.topic, out.value, out.key, out.partition)
        return evidence

    async def decide(self, number: int, evidence: list[Arrival], **changes: Any) -> None:
        at = self.began + 1000 * number
        decision = a_decision(f"LT-{number:03}", evidence, opened_at=at, **changes)
        key = decision.unit_id.encode()
        value = decision.model_dump_json().encode()
        await self._producer.send_and_wait(self.topics.decisions, value, key, self.home(key))

    def home(self, unit: str | bytes) -> int:
        unit_id = unit if isinstance(unit, str) else unit.decode()
        return home_partition(unit_id, self.settings.partitions)


@pytest.fixture
async def line(settings: Settings, topics: Topics) -> AsyncIterator[Line]:
    async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:
        yield Line(settings, producer)


async def names(settings: Settings) -> set[str]:
    """Of all topics of the line."""
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    try:
        return {t for t in await admin.list_topics() if t.startswith(settings.topic_prefix)}
    finally:
        await admin.close()


def assert_rows(data: Dataset, expected: list[list[Observation]]) -> None:
    assert len(data) == len(expected)
    assert not data.labelled.any()
    for row, observations in enumerate(expected):
        seen = {o.modality: extract(o.payload).astype(np.float32) for o in observations}
        assert data.arrived[row].tolist() == [m in seen for m in MODALITIES], row
        for m in MODALITIES:
            features = seen.get(m, np.zeros(SHAPES[m], np.float32))
            assert np.array_equal(data.features[m][row].numpy(), features), (row, m)


async def decide_by_worker(line: Line, folder: Path) -> list[list[Observation]]:
    """The worker joins and decides units that are complete; gives what it saw of each."""
    weights = folder / "weights"  # any will do
    save_model(weights, HybridCrossModalDistiller(ModelConfig(SHAPES, dim=16)))
    card = {"features": {m: kind.fingerprint for m, kind in KINDS.items()}}
    weights.with_suffix(".json").write_text(json.dumps(card))
    patient = {"window": 300.0, "weights_path": weights}
    units = [line.observed(number, *MODALITIES) for number in range(DECIDED)]
    with Workers(line.settings.model_copy(update=patient), folder) as workers:
        workers.start()
        for number, observations in enumerate(units):
            for observation in observations:
                await line.send(observation, beside=0 if number % 3 else 1)
        async with TopicTail(line.settings, line.topics.decisions) as decisions:
            await workers.until(lambda: len(decisions.records) >= DECIDED, "all are decided")
    assert_scattered(decisions.decisions(), line)
    return units


def assert_scattered(decisions: list[Decision], line: Line) -> None:
    away = {d.unit_id for d in decisions if d.evidence[0].partition != line.home(d.unit_id)}
    assert away == {f"LT-{number:03}" for number in range(0, DECIDED, 3)}


async def decide_by_hand(line: Line) -> list[list[Observation]]:
    """Units that a worker would need time or mishaps for; gives what is to be collected of each."""
    two, revised, mishap = (line.observed(n, TEXT, BATTERY, THERMAL) for n in (30, 31, 32))
    await line.decide(30, [await line.extracted(o) for o in two[:2]])

    evidence = [await line.extracted(o, beside=3) for o in revised]
    await line.decide(31, evidence[:1], status="provisional")
    await line.decide(31, evidence[:2], revision=2, status="final")
    await line.decide(31, evidence, revision=3)

    text, battery, thermal = mishap
    elsewhere = [
        # As after retention has deleted it, or somebody the topic.
        evidence_of(battery, Origin(line.topics.observation(BATTERY), 2, 100_000)),
        evidence_of(thermal, Origin(f"{line.settings.topic_prefix}units.deleted", 0, 0)),
    ]
    await line.decide(32, [await line.extracted(text), *elsewhere])
    await line.decide(33, elsewhere)
    await line.decide(34, [await line.extracted(text)], status="provisional")
    return [two[:2], revised, [text]]


async def test_what_was_decided_is_collected(
    line: Line, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CollectError, match="holds no final decision yet"):
        await collect(line.settings, tmp_path / "none", limit=1)
    expected = await decide_by_worker(line, tmp_path)
    expected += await decide_by_hand(line)
    before = await names(line.settings)

    out = tmp_path / "collected"
    where = ("-b", line.settings.bootstrap_servers, "--topic-prefix", line.settings.topic_prefix)
    code = await asyncio.to_thread(main, ["collect", *where, "--out", str(out), "--json"])
    ended = capsys.readouterr()
    assert (code, ended.err) == (0, "")
    told = json.loads(ended.out)
    assert_rows(Dataset.load(out), expected)
    assert told["path"] == str(out)
    assert told["units"] == DECIDED + 3
    rare = dict.fromkeys(MODALITIES, DECIDED)
    assert told["modalities"] == rare | {TEXT: DECIDED + 3, BATTERY: DECIDED + 2, THERMAL: 25}
    losses = {name: told[name] for name in ("gone", "unreadable", "emptied", "skipped")}
    assert losses == {"gone": 4, "unreadable": 0, "emptied": 1, "skipped": 0}

    # Of the most recent three one is empty.
    found = await collect(line.settings, tmp_path / "few", limit=3)
    assert (found.units, found.emptied) == (2, 1)
    assert_rows(Dataset.load(tmp_path / "few"), expected[-2:])

    assert await names(line.settings) == before  # looking for a topic makes none
