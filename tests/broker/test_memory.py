"""What is read back of a home partition after a take-over, and what is not."""

import json
import time
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaProducer
from support.decisions import a_decision
from support.kcat import Kcat

from agents.join import Arrival
from schemas.decision import Decision
from schemas.feature_record import Origin
from schemas.modality import Modality
from schemas.record import Record
from stream.kafka.connection import client_options
from stream.kafka.memory import TopicMemory
from stream.kafka.topics import Topics
from stream.settings import Settings

HOME = 2


@pytest.fixture
async def producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    async with AIOKafkaProducer(**client_options(settings)) as producer:
        yield producer


def decision_on(number: int) -> Decision:
    origin = Origin("units.text", 2, number)
    return a_decision("LT-1", [Arrival("LT-1", Modality.TEXT, "o-1", 0, "bench", origin)])


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def recalled(
    settings: Settings, home: int = HOME, *, oldest_mark: int | None = None, first: int = 0
) -> list[Record | Decision]:
    memory = TopicMemory(settings, now_ms)
    return [item async for item in memory.recall(home, oldest_mark, first)]


async def test_nothing_is_recalled_of_a_new_line(settings: Settings, topics: Topics) -> None:
    assert await recalled(settings) == []


async def test_a_newer_worker_s_decisions_are_remembered_and_strangers_passed_over(
    settings: Settings,
    topics: Topics,
    producer: AIOKafkaProducer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """In a rolling upgrade partitions go to and fro between workers of two versions."""
    newer = decision_on(7).model_dump(mode="json") | {"carbon_kg": 3.5}
    newer["routing"]["second_thoughts"] = []
    stranger = newer | {"decision_id": "1", "passage_id": "WO-4711"}
    for value in (b"no decision", json.dumps(stranger).encode(), json.dumps(newer).encode()):
        await producer.send_and_wait(topics.decisions, value, b"LT-1", partition=HOME)
    assert await recalled(settings) == [decision_on(7)]
    told = [record.getMessage() for record in caplog.records if "passed over" in record.msg]
    assert len(told) == 2
    assert "its ids are not ours" in told[1]
    assert await recalled(settings, HOME + 1) == []


@pytest.mark.real_kafka
async def test_a_record_that_cannot_be_read_hides_none_around_it(
    settings: Settings, topics: Topics, producer: AIOKafkaProducer, kcat: Kcat
) -> None:
    """The client library raises at a header name that is not UTF-8."""
    place, value = str(HOME), decision_on(7).model_dump_json().encode()
    first = await producer.send_and_wait(topics.decisions, value, b"LT-1", partition=HOME)
    kcat.send(settings, topics.decisions, b"{}", "-k", "x", "-p", place, "-H", b"\xff\xfe=1")
    last = await producer.send_and_wait(topics.decisions, value, b"LT-1", partition=HOME)
    assert last.offset == first.offset + 2
    assert await recalled(settings) == [decision_on(7)] * 2


async def test_marks_come_before_the_decisions_and_end_where_processing_begins(
    settings: Settings, topics: Topics, producer: AIOKafkaProducer
) -> None:
    for number in range(6):
        value = str(number).encode()
        await producer.send_and_wait(topics.features, value, partition=HOME)
    value = decision_on(7).model_dump_json().encode()
    await producer.send_and_wait(topics.decisions, value, b"LT-1", partition=HOME)

    found = await recalled(settings, oldest_mark=2, first=5)
    assert [item.value for item in found[:-1] if isinstance(item, Record)] == [b"2", b"3", b"4"]
    assert [item.offset for item in found[:-1] if isinstance(item, Record)] == [2, 3, 4]
    assert found[-1] == decision_on(7)
    assert await recalled(settings, first=5) == [decision_on(7)]


@pytest.mark.real_kafka
async def test_decisions_that_are_too_old_to_matter_are_not_read(
    settings: Settings, topics: Topics, producer: AIOKafkaProducer
) -> None:
    """Two windows and grace before the first record that will be processed."""
    await producer.send_and_wait(topics.features, b"first", partition=HOME)
    horizon = 2 * settings.window_ms + settings.grace_ms
    for number, age in enumerate((horizon + 60_000, horizon - 10_000, 0)):
        await producer.send_and_wait(
            topics.decisions,
            decision_on(number).model_dump_json().encode(),
            b"LT-1",
            partition=HOME,
            timestamp_ms=now_ms() - age,
        )
    assert await recalled(settings) == [decision_on(1), decision_on(2)]
