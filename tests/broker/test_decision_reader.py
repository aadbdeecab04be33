"""Decisions as an MES gets them: each revision once, nothing lost, nothing committed too early."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from support.decisions import a_decision
from support.kcat import Kcat

from agents.join import Arrival
from schemas.decision import Decision
from schemas.feature_record import Origin
from schemas.modality import Modality
from stream.clients.decision_reader import DecisionReader
from stream.errors import (
    BrokerUnreachable,
    MissingTopicError,
    ReaderClosed,
    UndecodableDecision,
)
from stream.kafka.connection import client_options
from stream.kafka.embedded import EmbeddedBroker
from stream.kafka.partitioner import home_partition
from stream.kafka.topics import Topics, check_topics, create_topics
from stream.settings import Settings

OPENED = 1_772_366_400_000


def decided(unit_id: str, revision: int = 1) -> Decision:
    seen = Arrival(unit_id, Modality.TEXT, "o-1", OPENED, "bench", Origin("units.text", 0, 1))
    return a_decision(unit_id, [seen], opened_at=OPENED, revision=revision)


class Mes:
    """Puts records on the decisions topic, and looks at what a group has committed."""

    def __init__(self, settings: Settings, producer: AIOKafkaProducer) -> None:
        self.settings = settings
        self.topic = Topics.of(settings).decisions
        self._producer = producer

    async def decide(self, unit_id: str, revision: int = 1) -> None:
        await self.put(unit_id, decided(unit_id, revision).model_dump_json().encode())

    async def put(self, unit_id: str, value: bytes | None) -> None:
        await self._producer.send_and_wait(
            self.topic, value, unit_id.encode(), home_partition(unit_id, 6)
        )

    async def committed(self, group: str, unit_id: str) -> int | None:
        consumer = AIOKafkaConsumer(**client_options(self.settings), group_id=group)
        await consumer.start()
        try:
            offset: int | None = await consumer.committed(
                TopicPartition(self.topic, home_partition(unit_id, 6))
            )
            return offset
        finally:
            await consumer.stop()

    def reader(self, **options: Any) -> DecisionReader:
        return DecisionReader(settings=self.settings, **options)


@pytest.fixture
async def mes(settings: Settings, topics: Topics) -> AsyncIterator[Mes]:
    async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:
        yield Mes(settings, producer)


async def read_all(reader: DecisionReader) -> list[tuple[str, int]]:
    async with asyncio.timeout(30), reader:
        return [(d.unit_id, d.revision) async for d in reader]


async def test_yields_the_decision_that_was_published(mes: Mes) -> None:
    await mes.decide("U-1")
    async with mes.reader(group=None) as reader:
        assert await anext(reader) == decided("U-1")


async def test_each_revision_once_and_never_an_older_one(mes: Mes) -> None:
    for revision in (1, 1, 2, 1, 2, 4, 3, 4):
        await mes.decide("U-1", revision)
    await mes.decide("U-2", 1)
    found = await read_all(mes.reader(group=None, follow=False))
    assert [r for u, r in found if u == "U-1"] == [1, 2, 4]
    assert [r for u, r in found if u == "U-2"] == [1]


async def test_all_partitions_are_read_to_their_ends(mes: Mes) -> None:
    units = {f"U-{n}" for n in range(60)}
    assert len({home_partition(unit, 6) for unit in units}) == 6
    for unit in units:
        await mes.decide(unit)
    assert {unit for unit, _ in await read_all(mes.reader(group=None, follow=False))} == units


async def test_nothing_there_ends_at_once_without_follow(mes: Mes) -> None:
    assert await read_all(mes.reader(group=None, follow=False)) == []
    assert await read_all(mes.reader(group=f"{uuid.uuid4()}", follow=False)) == []


async def test_without_follow_nothing_that_is_there_is_left_out(mes: Mes) -> None:
    # Several in one batch: the embedded broker's `end_offsets` would point into its middle.
    await asyncio.gather(*[mes.decide("U-1", revision) for revision in (1, 2, 3)])
    found = await read_all(mes.reader(group=None, follow=False))
    assert found[-1] == ("U-1", 3)


async def test_follow_waits_for_the_next(mes: Mes) -> None:
    async with mes.reader(group=None) as reader:
        waiting = asyncio.ensure_future(anext(reader))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        await mes.decide("U-1")
        assert (await asyncio.wait_for(waiting, 10)).unit_id == "U-1"


async def test_a_cancelled_wait_loses_nothing(mes: Mes) -> None:
    async with mes.reader(group=None) as reader:
        for n in range(20):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(reader), 0.02)
            await mes.decide(f"U-{n}")
            assert (await asyncio.wait_for(anext(reader), 10)).unit_id == f"U-{n}"


async def test_commits_only_what_was_handled(mes: Mes) -> None:
    group = mes.settings.group
    for revision in (1, 2, 3):
        await mes.decide("U-1", revision)
    async with mes.reader(group=group) as reader:
        assert (await anext(reader)).revision == 1
        await asyncio.sleep(mes.settings.commit_interval + 0.1)
        assert await mes.committed(group, "U-1") is None  # the first is still in hand
        assert (await anext(reader)).revision == 2
        assert await mes.committed(group, "U-1") == 1
    # Closed with the second in hand: it comes again.
    async with mes.reader(group=group) as reader:
        assert (await anext(reader)).revision == 2
        assert (await anext(reader)).revision == 3
        await reader.commit()
    assert await mes.committed(group, "U-1") == 3
    assert await read_all(mes.reader(group=group, follow=False)) == []


async def test_a_handler_that_fails_gets_its_decision_again(mes: Mes) -> None:
    await mes.decide("U-1")

    async def consume() -> None:
        async with mes.reader(group=mes.settings.group) as reader:
            async for _ in reader:
                raise RuntimeError("conveyor")

    with pytest.raises(RuntimeError, match="conveyor"):
        await consume()
    assert await read_all(mes.reader(group=mes.settings.group, follow=False)) == [("U-1", 1)]


async def test_an_idle_reader_has_committed_all_it_handled(mes: Mes) -> None:
    group = mes.settings.group
    await mes.decide("U-1")
    async with mes.reader(group=group) as reader:
        await anext(reader)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(reader), 0.5)
        assert await mes.committed(group, "U-1") == 1


async def test_no_group_commits_nothing_and_reads_all_again(mes: Mes) -> None:
    await mes.decide("U-1")
    for _ in range(2):
        assert await read_all(mes.reader(group=None, follow=False)) == [("U-1", 1)]


async def test_two_members_share_and_one_that_leaves_hands_over(mes: Mes) -> None:
    group = mes.settings.group
    units = {f"U-{n}" for n in range(120)}
    seen: list[tuple[str, str]] = []
    both, complete = asyncio.Event(), asyncio.Event()

    async def consume(name: str) -> None:
        async with mes.reader(group=group) as reader:
            async for decision in reader:
                await asyncio.sleep(0.002)
                seen.append((name, decision.unit_id))
                if name == "two":
                    both.set()
                if {unit for _, unit in seen} == units:
                    complete.set()

    one = asyncio.create_task(consume("one"))
    for unit in sorted(units)[:40]:
        await mes.decide(unit)
    two = asyncio.create_task(consume("two"))
    revision = 0
    async with asyncio.timeout(60):
        while not both.is_set():
            revision += 1
            for unit in sorted(units)[40:80]:
                await mes.decide(unit, revision)
            await asyncio.sleep(0.2)
        one.cancel()
        for unit in sorted(units)[80:]:
            await mes.decide(unit)
        await complete.wait()
    two.cancel()
    await asyncio.gather(one, two, return_exceptions=True)
    assert {name for name, _ in seen} == {"one", "two"}


BAD = [
    pytest.param(None, id="no value"),
    pytest.param(b"", id="empty"),
    pytest.param(b"\xff\xfe\x00", id="binary"),
    pytest.param(b"{}", id="no fields"),
    pytest.param(b'{"revision": 1', id="truncated"),
    pytest.param(b"[" * 100_000, id="deep"),
]


@pytest.mark.parametrize("value", BAD)
async def test_what_is_no_decision_is_passed_over(
    mes: Mes, value: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    await mes.put("U-1", value)
    await mes.decide("U-1")
    reader = mes.reader(group=mes.settings.group, follow=False)
    assert await read_all(reader) == [("U-1", 1)]
    assert reader.skipped == 1
    [line] = [r.message for r in caplog.records if "Passed over" in r.message]
    assert f"{reader.topic}[{home_partition('U-1', 6)}] at offset 0" in line
    assert await mes.committed(mes.settings.group, "U-1") == 2


@pytest.mark.real_kafka  # Debian's kcat cannot talk to the embedded one
@pytest.mark.parametrize("grouped", [False, True])
async def test_a_record_that_the_client_cannot_read_is_passed_over(
    mes: Mes, kcat: Kcat, grouped: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Such as one with a header name that is not UTF-8, which any other client can write."""
    home = home_partition("U-1", 6)
    elsewhere = next(u for u in map("U-{}".format, range(2, 99)) if home_partition(u, 6) != home)
    await mes.decide("U-1")
    kcat.send(mes.settings, mes.topic, b"{}", "-p", str(home), "-H", b"\xff\xfe=1")
    await mes.decide("U-1", 2)
    await mes.decide(elsewhere)
    group = mes.settings.group if grouped else None
    reader = mes.reader(group=group, follow=False)
    assert sorted(await read_all(reader)) == [("U-1", 1), ("U-1", 2), (elsewhere, 1)]
    assert reader.skipped == 1
    [line] = [r.message for r in caplog.records if "Passed over" in r.message]
    assert f"{reader.topic}[{home}] at offset 1: a header name is not UTF-8" in line
    if group:
        assert await mes.committed(group, "U-1") == 3


async def test_what_is_no_decision_can_end_the_reading(mes: Mes) -> None:
    await mes.decide("U-1")
    await mes.put("U-1", b"{}")
    for _ in range(2):  # not committed: it is there the next time too
        with pytest.raises(UndecodableDecision, match="at offset 1: decision_id is missing"):
            await read_all(mes.reader(group=mes.settings.group, undecodable="raise"))


async def test_fields_of_a_newer_version_are_ignored(mes: Mes) -> None:
    decision = decided("U-1").model_dump(mode="json")
    decision["carbon"] = 1.5
    decision["routing"]["lane"] = 4
    await mes.put("U-1", json.dumps(decision).encode())
    async with mes.reader(group=None) as reader:
        assert await anext(reader) == decided("U-1")


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("quality", "grade"), "A+", "A+"),
        (("routing", "option"), "museum", "museum"),
        (("confidence",), None, 0.0),
        (("routing", "reasons"), None, []),
        (("status",), "withdrawn", "withdrawn"),
        (("passage", "closed_by"), None, "unknown"),
    ],
)
async def test_what_nobody_asks_about_hides_no_decision(
    mes: Mes, path: tuple[str, ...], value: Any, said: Any
) -> None:
    fields = decided("U-1").model_dump(mode="json")
    holder = fields
    for name in path[:-1]:
        holder = holder[name]
    holder[path[-1]] = value
    await mes.put("U-1", json.dumps(fields).encode())
    reader = mes.reader(group=mes.settings.group, undecodable="raise")
    async with reader:
        decision = await asyncio.wait_for(anext(reader), 10)
    assert (decision.unit_id, decision.revision) == ("U-1", 1)
    read: Any = decision
    for name in path:
        read = getattr(read, name)
    assert read == said


async def test_a_decision_of_somebody_else_is_yielded(mes: Mes) -> None:
    names = {"decision_id": "WO-4711/1", "passage_id": "WO-4711", "revision": 1}
    evidence = [{"modality": "manual", "observation_id": "clerk"}]
    foreign = {**names, "unit_id": "U-1", "status": "final", "evidence": evidence}
    await mes.put("U-1", json.dumps(foreign).encode())
    await mes.decide("U-1")
    found = await read_all(mes.reader(group=None, follow=False, undecodable="raise"))
    assert found == [("U-1", 1), ("U-1", 1)]


@pytest.mark.real_kafka
@pytest.mark.parametrize("grouped", [False, True])
async def test_partitions_added_later_are_read_too(
    mes: Mes, grouped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream.clients.decision_reader.PARTITION_SECONDS", 0.5)
    await mes.decide("U-1")
    async with mes.reader(group=mes.settings.group if grouped else None) as reader:
        assert (await asyncio.wait_for(anext(reader), 20)).unit_id == "U-1"
        admin = AIOKafkaAdminClient(**client_options(mes.settings))
        await admin.start()
        try:
            await admin.create_partitions({mes.topic: NewPartitions(total_count=9)})
        finally:
            await admin.close()
        async with AIOKafkaProducer(**client_options(mes.settings), acks="all") as producer:
            while len(await producer.partitions_for(mes.topic)) < 9:
                await asyncio.sleep(0.1)
                await producer.client.force_metadata_update()
            value = decided("U-2").model_dump_json().encode()
            await producer.send_and_wait(mes.topic, value, b"U-2", 8)
        await mes.decide("U-1", 2)
        more = [await asyncio.wait_for(anext(reader), 20) for _ in range(2)]
        assert {(d.unit_id, d.revision) for d in more} == {("U-2", 1), ("U-1", 2)}


async def test_a_missing_topic_is_named_and_not_made(settings: Settings) -> None:
    with pytest.raises(MissingTopicError, match=r"routing\.decisions"):
        async with DecisionReader(settings=settings):
            pass
    assert all(s.partitions is None for s in (await check_topics(settings)).topics)


async def test_no_broker_is_one_line(settings: Settings) -> None:
    with pytest.raises(BrokerUnreachable, match=r"no Kafka broker answers at 127\.0\.0\.1:1"):
        async with DecisionReader("127.0.0.1:1", settings=settings):
            pass


async def test_outside_of_async_with_it_is_closed(settings: Settings) -> None:
    with pytest.raises(ReaderClosed):
        await anext(DecisionReader(settings=settings))


async def test_a_dead_broker_does_not_block_closing() -> None:
    async with EmbeddedBroker() as broker:
        settings = Settings(
            bootstrap_servers=broker.bootstrap, request_timeout=20, shutdown_timeout=1
        )
        await create_topics(settings)
        async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:
            await Mes(settings, producer).decide("U-1")
        async with DecisionReader(settings=settings) as reader:
            await anext(reader)
            reader._finish()
            broker.kill()
            begun = time.monotonic()
        assert time.monotonic() - begun < 5
