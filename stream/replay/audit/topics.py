"""Reads what an audit compares: decisions, late records, dead letters."""

import logging
from collections import defaultdict
from typing import Any

from aiokafka import TopicPartition

from schemas import headers
from schemas.errors import RecordError
from schemas.feature_record import FeatureRecord, decode_feature_record
from stream.kafka.memory import our_decision
from stream.kafka.tail import read_to_end, reading
from stream.kafka.topics import Topics
from stream.replay.audit.compare import compare
from stream.replay.audit.facts import AuditReport, Damaged, Found, ObservationKey, Produced
from stream.settings import Settings

log = logging.getLogger(__name__)


async def audit(settings: Settings, produced: Produced) -> AuditReport:
    """Reads the topics from their beginning to their present end, and compares.

    Args:
        produced: everything that was sent to these topics since they were made.

    Raises:
        BrokerUnreachable: no broker answers.
    """
    return compare(produced, await read_topics(settings))


async def read_topics(settings: Settings) -> Found:
    """Returns what lies on the outgoing topics of a line."""
    topics = Topics.of(settings)
    by_topic: dict[str, list[Any]] = defaultdict(list)
    async with reading(settings) as consumer:
        # The list of all topics: asked for one by name, a broker may make it.
        metadata = await consumer._client.fetch_all_metadata()
        partitions = [
            TopicPartition(name, number)
            for name in (topics.decisions, topics.late, topics.dead_letter)
            for number in sorted(metadata.partitions_for_topic(name) or ())
        ]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        async for record in read_to_end(consumer, partitions):
            by_topic[record.topic].append(record)
    # A worker that was killed may have written the same late record or dead letter twice.
    late = {feature.origin: feature for each in by_topic[topics.late] if (feature := _late(each))}
    dead = dict(_buried(topics, record) for record in by_topic[topics.dead_letter])
    return Found(
        decisions=[d for record in by_topic[topics.decisions] if (d := our_decision(record))],
        late=[ObservationKey(f.unit_id, f.modality, f.observation_id) for f in late.values()],
        dead_letters=list(dead.values()),
    )


def _late(record: Any) -> FeatureRecord | None:
    try:
        return decode_feature_record(record.value or b"")
    except RecordError as error:
        log.error("No feature record: %s[%d]@%d: %s", *record[:3], error)
        return None


def _buried(topics: Topics, record: Any) -> tuple[tuple[object, ...], Damaged]:
    """Returns where the raw record of a dead letter lies, and the record as it had been received.

    The decide stage buries feature records, of which a crash of the extract stage may have made
    several out of one raw record.
    """
    found = dict(record.headers)  # of repeated ones the last: it may have been buried before
    names = (headers.ERROR_TOPIC, headers.ERROR_PARTITION, headers.ERROR_OFFSET)
    topic, partition, offset = ((found.get(name) or b"").decode() for name in names)
    origin: tuple[object, ...] = (topic, int(partition or -1), int(offset or -1))
    if topic == topics.features:
        try:
            origin = decode_feature_record(record.value or b"").origin
        except RecordError:
            log.info("A dead letter of %s is no feature record", topic)
    return origin, Damaged(topic, record.key, None if headers.NULL in found else record.value)
