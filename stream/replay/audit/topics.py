"""Reads what an audit compares: decisions, late records, dead letters, forwarded records."""

import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas import headers
from schemas.codec import decode
from schemas.decision import Decision
from schemas.decision_reading import read_decision
from schemas.errors import RecordError
from stream.kafka.connection import client_options, connecting, stop_client
from stream.kafka.tail import read_to_end
from stream.kafka.topics import Topics
from stream.pipeline.progress import PROGRESS_HEADER
from stream.replay.audit.compare import compare
from stream.replay.audit.facts import AuditReport, Damaged, Found, ObservationKey, Produced
from stream.settings import Settings

log = logging.getLogger(__name__)

_COORDINATES = (headers.ERROR_TOPIC, headers.ERROR_PARTITION, headers.ERROR_OFFSET)


async def audit(settings: Settings, produced: Produced) -> AuditReport:
    """Read the topics from their beginning to their present end, and compare.

    Args:
        produced: everything that was sent to these topics since they were made.

    Raises:
        BrokerUnreachable: no broker answers.
    """
    return compare(produced, await read_topics(settings))


async def read_topics(settings: Settings) -> Found:
    """What lies on the outgoing topics of a line."""
    topics = Topics.of(settings)
    wanted = (topics.decisions, topics.late, topics.dead_letter, topics.repartition)
    by_topic: dict[str, list[Any]] = defaultdict(list)
    async for record in _records(settings, wanted):
        by_topic[record.topic].append(record)
    # A worker that was killed may have written the same late record or dead letter twice.
    dead = {_dead_origin(record): record for record in by_topic[topics.dead_letter]}
    late = {_header(record, headers.ORIGIN): record for record in by_topic[topics.late]}
    forwarded = {
        _header(record, headers.ORIGIN)
        for record in by_topic[topics.repartition]
        if _header(record, PROGRESS_HEADER) is None
    }
    return Found(
        decisions=[d for record in by_topic[topics.decisions] if (d := _decision(record))],
        late=[key for origin, record in late.items() if (key := _late_key(topics, origin, record))],
        dead_letters=[_as_received(record) for record in dead.values()],
        misrouted=len(forwarded),
    )


async def _records(settings: Settings, names: Sequence[str]) -> AsyncIterator[Any]:
    consumer = AIOKafkaConsumer(
        **client_options(settings), enable_auto_commit=False, auto_offset_reset="earliest"
    )
    try:
        async with connecting(settings.bootstrap_servers):
            await consumer.start()
        partitions = [
            TopicPartition(name, number)
            for name in names
            for number in await _partitions(consumer, name)
        ]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        async for record in read_to_end(consumer, partitions):
            yield record
    finally:
        await stop_client(consumer)


async def _partitions(consumer: AIOKafkaConsumer, name: str) -> list[int]:
    # The list of all topics: asked for one by name, a broker may make it.
    metadata = await consumer._client.fetch_all_metadata()
    return sorted(metadata.partitions_for_topic(name) or ())


def _decision(record: Any) -> Decision | None:
    try:
        return read_decision(record.value)
    except RecordError as error:
        log.error("No decision: %s[%d]@%d: %s", *record[:3], error)
        return None


def _late_key(topics: Topics, origin: bytes | None, record: Any) -> ObservationKey | None:
    """The observation of a late record; its topic of origin tells the modality."""
    modality = topics.modality_of((origin or b"").decode().rsplit("/", 2)[0])
    if modality is None:
        return None
    try:
        return ObservationKey.of(decode(record.value, modality))
    except RecordError as error:
        log.error("No observation: %s[%d]@%d: %s", *record[:3], error)
        return None


def _as_received(record: Any) -> Damaged:
    nulled = _header(record, headers.NULL) is not None
    topic = (_header(record, headers.ERROR_TOPIC) or b"").decode()
    return Damaged(topic, record.key, None if nulled else record.value)


def _dead_origin(record: Any) -> tuple[bytes | None, ...]:
    return tuple(_header(record, name) for name in _COORDINATES)


def _header(record: Any, name: str) -> bytes | None:
    # The last one: a record may have been a dead letter before.
    return next((value for header, value in reversed(record.headers) if header == name), None)
