"""A station's observations, read back from the broker as a worker would read them."""

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, Literal

import numpy as np
import pytest
from aiokafka import AIOKafkaConsumer
from PIL import Image

from schemas.codec import decode
from schemas.errors import InvalidField
from schemas.limits import DEFAULT_LIMITS, Limits
from schemas.modality import Modality
from schemas.observation import (
    Acoustic,
    Battery,
    Observation,
    Payload,
    Spectral,
    Text,
    Thermal,
    Visual,
)
from stream.clients.station import Station
from stream.errors import (
    BrokerUnreachable,
    DeliveryError,
    MissingTopicError,
    RecordTooLarge,
    StationClosed,
)
from stream.kafka.connection import client_options, has_idempotence
from stream.kafka.embedded import EmbeddedBroker
from stream.kafka.partitioner import home_partition
from stream.kafka.topics import Topics, check_topics, create_topics
from stream.settings import Settings


def png() -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (8, 6), "red").save(buffer, "PNG")
    return buffer.getvalue()


NOTE = Text("bat swolen, kbd ok", "en-GB")
PAYLOADS: list[Payload] = [
    NOTE,
    Visual(png(), "image/png"),
    Spectral(np.linspace(0, 1, 64, dtype="f4"), np.linspace(900, 1700, 64, dtype="f4"), "nm"),
    Thermal(np.full((4, 5), 21.5, dtype="f4")),
    Acoustic(np.zeros(512, dtype="f4"), 16_000),
    Battery(
        np.arange(3, dtype="i4"), np.array([5, 4.9, 4.7], "f4"), np.array([0.1, 0.1, 0.2], "f4")
    ),
]


async def records(settings: Settings, topic: str, count: int) -> list[Any]:
    """Exactly what a topic holds: `count` records, and no more come."""
    consumer = AIOKafkaConsumer(
        topic, **client_options(settings), auto_offset_reset="earliest", fetch_max_wait_ms=50
    )
    await consumer.start()
    try:
        found: list[Any] = []
        async with asyncio.timeout(20):
            while len(found) < count:
                for batch in (await consumer.getmany(timeout_ms=200)).values():
                    found += batch
        for batch in (await consumer.getmany(timeout_ms=200)).values():
            found += batch
        assert len(found) == count
        return found
    finally:
        await consumer.stop()


@pytest.fixture
async def lone_broker() -> AsyncIterator[EmbeddedBroker]:
    """A broker that this test may break."""
    async with EmbeddedBroker() as broker:
        await create_topics(settings_for(broker))
        yield broker


def settings_for(broker: EmbeddedBroker) -> Settings:
    return Settings(bootstrap_servers=broker.bootstrap, request_timeout=1.5, shutdown_timeout=1.0)


@pytest.mark.parametrize("encoding", ["avro", "json"])
async def test_every_modality_arrives_as_sent(
    settings: Settings, topics: Topics, encoding: Literal["avro", "json"]
) -> None:
    before = time.time_ns() // 1_000_000
    async with Station(source="cell-4", encoding=encoding, settings=settings) as station:
        receipts = [
            await station.publish("LT-000017", payload, 1_700_000_000_123) for payload in PAYLOADS
        ]
    for payload, receipt in zip(PAYLOADS, receipts, strict=True):
        assert receipt.topic == topics.observation(payload.modality)
        [record] = await records(settings, receipt.topic, 1)
        assert (record.partition, record.offset) == (receipt.partition, receipt.offset)
        assert record.key == b"LT-000017"
        assert record.partition == home_partition("LT-000017", 6)
        assert before <= record.timestamp <= time.time_ns() // 1_000_000
        assert record.value.startswith(b"\xc3\x01" if encoding == "avro" else b"{")
        observation = decode(record.value, payload.modality, DEFAULT_LIMITS)
        assert observation.unit_id == "LT-000017"
        assert observation.observation_id == receipt.observation_id
        assert observation.captured_at == 1_700_000_000_123
        assert observation.source == "cell-4"
        assert type(observation.payload) is type(payload)
        if isinstance(payload, Text):
            assert observation.payload == payload


async def test_defaults_are_now_and_a_new_id(settings: Settings, topics: Topics) -> None:
    before = time.time_ns() // 1_000_000
    async with Station(source="bench", settings=settings) as station:
        one = await station.publish("U-1", NOTE)
        other = await station.publish("U-1", NOTE)
    after = time.time_ns() // 1_000_000
    assert one.observation_id != other.observation_id
    assert uuid.UUID(one.observation_id).version == 4
    for record in await records(settings, one.topic, 2):
        observation = decode(record.value, Modality.TEXT, DEFAULT_LIMITS)
        assert before <= observation.captured_at <= after


async def test_a_time_may_be_a_datetime_with_zone(settings: Settings, topics: Topics) -> None:
    moment = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
    station = Station(source="bench", settings=settings)
    assert station.observation("U-1", NOTE, moment).captured_at == 1_772_366_400_250
    with pytest.raises(InvalidField, match="no time zone"):
        station.observation("U-1", NOTE, moment.replace(tzinfo=None))


async def test_send_keeps_the_observations_own_source(settings: Settings, topics: Topics) -> None:
    observation = Observation("U-9", "obs-1", 1_700_000_000_000, "replayed-cam", NOTE)
    async with Station(source="replay", settings=settings) as station:
        receipt = await station.send(observation)
    [record] = await records(settings, receipt.topic, 1)
    assert decode(record.value, Modality.TEXT, DEFAULT_LIMITS).source == "replayed-cam"
    assert receipt.observation_id == "obs-1"


async def test_many_at_once_are_all_written_once_each_at_home(
    settings: Settings, topics: Topics
) -> None:
    async with Station(source="bench", settings=settings, buffer=32) as station:
        receipts = await asyncio.gather(
            *(station.publish(f"U-{n}", NOTE, observation_id=f"o-{n}") for n in range(500))
        )
    found = await records(settings, topics.observation(Modality.TEXT), 500)
    places = {(r.partition, r.offset): r for r in found}
    for n, receipt in enumerate(receipts):
        record = places[receipt.partition, receipt.offset]
        assert record.key == f"U-{n}".encode()
        assert record.partition == home_partition(f"U-{n}", 6)


async def test_publish_waits_while_the_buffer_is_full(settings: Settings, topics: Topics) -> None:
    async with Station(source="bench", settings=settings, buffer=2) as station:
        on_their_way = [asyncio.create_task(station.publish(f"U-{n}", NOTE)) for n in range(2)]
        await asyncio.sleep(0)  # they take both places
        receipt = await station.publish("U-4", NOTE)
        assert receipt.offset >= 0
        assert any(delivery.done() for delivery in on_their_way)
        await asyncio.gather(*on_their_way)


async def test_closing_delivers_what_is_on_its_way(settings: Settings, topics: Topics) -> None:
    async with Station(source="bench", settings=settings) as station:
        deliveries = [asyncio.create_task(station.publish(f"U-{n}", NOTE)) for n in range(50)]
        await asyncio.sleep(0)
    assert all(receipt.offset >= 0 for receipt in await asyncio.gather(*deliveries))
    await records(settings, topics.observation(Modality.TEXT), 50)


async def test_who_stops_waiting_leaks_nothing(settings: Settings, topics: Topics) -> None:
    async with Station(source="bench", settings=settings, buffer=1) as station:
        waiting = asyncio.create_task(station.publish("U-1", NOTE))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await station.publish("U-2", NOTE)  # the only slot is free again
    await records(settings, topics.observation(Modality.TEXT), 2)


async def test_a_bad_unit_id_is_refused_before_anything_is_sent(
    settings: Settings, topics: Topics
) -> None:
    async with Station(source="bench", settings=settings) as station:
        with pytest.raises(InvalidField, match="unit_id"):
            await station.publish("no spaces", NOTE)


async def test_too_large_is_refused_before_it_is_sent(settings: Settings, topics: Topics) -> None:
    small = settings.model_copy(update={"limits": Limits(record_bytes=1000)})
    async with Station(source="bench", settings=small) as station:
        with pytest.raises(RecordTooLarge, match="over the 1000 of limits"):
            await station.publish("U-1", Text("x" * 2000, "en"))


async def test_the_largest_allowed_record_fits(settings: Settings, topics: Topics) -> None:
    async with Station(source="bench", settings=settings) as station:
        image = b"\xff\xd8\xff" + bytes(settings.limits.record_bytes - 1000)
        receipt = await station.publish("U-1", Visual(image, "image/jpeg"))
    assert receipt.offset == 0


@pytest.mark.real_kafka
async def test_a_topic_that_takes_less_says_so(settings: Settings) -> None:
    await create_topics(settings.model_copy(update={"limits": Limits(record_bytes=1024)}))
    async with Station(source="bench", settings=settings) as station:
        with pytest.raises(RecordTooLarge, match=r"raise its max\.message\.bytes"):
            await station.publish("U-1", Visual(b"\xff\xd8\xff" + bytes(200_000), "image/jpeg"))


async def test_a_missing_topic_is_named_and_not_made(settings: Settings) -> None:
    async with Station(source="bench", settings=settings) as station:
        with pytest.raises(MissingTopicError, match=rf"{settings.topic_prefix}units\.text"):
            await station.publish("U-1", NOTE)
        assert all(s.partitions is None for s in (await check_topics(settings)).topics)
        await create_topics(settings)
        assert (await station.publish("U-1", NOTE)).offset == 0


async def test_no_broker_is_one_line(settings: Settings) -> None:
    with pytest.raises(BrokerUnreachable, match=r"no Kafka broker answers at 127\.0\.0\.1:1"):
        async with Station("127.0.0.1:1", source="bench", settings=settings):
            pass


async def test_outside_of_async_with_it_is_closed(settings: Settings, topics: Topics) -> None:
    station = Station(source="bench", settings=settings)
    with pytest.raises(StationClosed, match="was not started"):
        await station.publish("U-1", NOTE)
    async with station:
        pass
    with pytest.raises(StationClosed, match="is closed"):
        await station.publish("U-1", NOTE)


async def test_the_embedded_broker_is_used_without_idempotence(
    lone_broker: EmbeddedBroker, caplog: pytest.LogCaptureFixture
) -> None:
    async with Station(source="bench", settings=settings_for(lone_broker)) as station:
        await station.publish("U-1", NOTE)
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


@pytest.mark.real_kafka
async def test_a_real_broker_is_idempotent(settings: Settings) -> None:
    assert await has_idempotence(settings)


async def test_an_outage_shorter_than_the_timeout_is_survived(lone_broker: EmbeddedBroker) -> None:
    async with Station(source="bench", settings=settings_for(lone_broker)) as station:
        await station.publish("U-1", NOTE)
        lone_broker.suspend()
        delivery = asyncio.create_task(station.publish("U-2", NOTE))
        await asyncio.sleep(0.5)
        assert not delivery.done()
        lone_broker.resume()
        assert (await delivery).offset >= 0


async def test_a_hanging_broker_is_a_delivery_error(lone_broker: EmbeddedBroker) -> None:
    async with Station(source="bench", settings=settings_for(lone_broker)) as station:
        await station.publish("U-1", NOTE)
        lone_broker.suspend()
        with pytest.raises(DeliveryError, match="same observation_id"):
            await station.publish("U-2", NOTE)
        lone_broker.resume()


async def test_a_dead_broker_neither_blocks_nor_breaks_closing(
    lone_broker: EmbeddedBroker,
) -> None:
    settings = settings_for(lone_broker).model_copy(update={"request_timeout": 20})
    station = Station(source="bench", settings=settings)
    await station.start()
    await station.publish("U-1", NOTE)
    lone_broker.kill()
    delivery = asyncio.create_task(station.publish("U-2", NOTE))
    await asyncio.sleep(0)
    begun = time.monotonic()
    await station.close()
    assert time.monotonic() - begun < 6
    with pytest.raises(DeliveryError, match="closed before the broker confirmed"):
        await delivery
