"""The join's memory across restarts: what is read back of the decisions topic, and what is not."""

import json
import time
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaProducer
from stream.pipeline.decision_log import read_decisions
from support.decisions import a_decision
from support.kcat import Kcat

from agents.join import Arrival, Origin
from schemas.decision import Decision
from schemas.modality import Modality
from stream.kafka.connection import client_options
from stream.kafka.topics import Topics
from stream.settings import Settings


@pytest.fixture
async def producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(**client_options(settings))
    await producer.start()
    yield producer
    await producer.stop()


@pytest.fixture
def decision() -> Decision:
    seen = Arrival("LT-1", Modality.TEXT, "o-1", 0, "bench", Origin("units.text", 2, 7))
    return a_decision("LT-1", [seen])


async def remembered(settings: Settings, *homes: int) -> list[Decision]:
    now = time.time_ns() // 1_000_000
    return [decision async for decision in read_decisions(settings, homes, now)]


async def test_a_newer_worker_s_decisions_are_remembered(
    settings: Settings, topics: Topics, producer: AIOKafkaProducer, decision: Decision
) -> None:
    """In a rolling upgrade partitions go to and fro between workers of two versions."""
    newer = decision.model_dump(mode="json") | {"carbon_kg": 3.5}
    newer["routing"]["second_thoughts"] = []
    for value in (b"no decision", json.dumps(newer).encode()):
        await producer.send_and_wait(topics.decisions, value, b"LT-1", partition=2)
    assert await remembered(settings, 2) == [decision]
    assert await remembered(settings, 1, 3) == []


async def test_a_record_that_cannot_be_read_hides_none_around_it(
    settings: Settings, topics: Topics, producer: AIOKafkaProducer, decision: Decision, kcat: Kcat
) -> None:
    """The client library raises at a header name that is not UTF-8."""
    value = decision.model_dump_json().encode()
    first = await producer.send_and_wait(topics.decisions, value, b"LT-1", partition=2)
    kcat.send(settings, topics.decisions, b"{}", "-k", "x", "-p", "2", "-H", b"\xff\xfe=1")
    last = await producer.send_and_wait(topics.decisions, value, b"LT-1", partition=2)
    assert last.offset == first.offset + 2
    await producer.send_and_wait(topics.decisions, value, b"LT-1", partition=4)
    assert await remembered(settings, 2, 3, 4) == [decision] * 3
