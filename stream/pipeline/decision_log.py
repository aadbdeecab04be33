"""Reads back what has been decided: `routing.decisions` is the join's memory across restarts.

A worker that is given home partitions reads their decisions from the time of their oldest
uncommitted observation, less window and grace (house plan, section 5.4), and the latest ones
however old.
"""

import logging
from collections.abc import AsyncIterator, Collection

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as KafkaTP
from pydantic import ValidationError

from schemas.decision import Decision
from stream.kafka.connection import client_options, stop_client
from stream.kafka.tail import POLL_MS, at_end, read_to_end
from stream.kafka.topics import Topics
from stream.settings import Settings

log = logging.getLogger(__name__)

LATEST = 100
"""Decisions that are always read: they tell how far event time had come, even on a quiet line."""


async def read_decisions(
    settings: Settings, homes: Collection[int], wall_ms: int
) -> AsyncIterator[Decision]:
    """Published decisions of these home partitions, of each partition in the log's order.

    Args:
        homes: home partitions that have just been assigned.
        wall_ms: the wall clock, ms since 1970 UTC.

    Raises:
        KafkaError: the log cannot be read; nothing of these partitions may be processed then.
    """
    if not homes:
        return
    topics = Topics.of(settings)
    oldest = await _oldest_uncommitted(settings, topics, homes, wall_ms)
    horizon = settings.window_ms + settings.grace_ms + settings.max_clock_skew_ms
    consumer = AIOKafkaConsumer(
        **client_options(settings),
        enable_auto_commit=False,
        # With `latest` a partition whose position is not known yet would be skipped whole.
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        partitions = [KafkaTP(topics.decisions, home) for home in sorted(homes)]
        consumer.assign(partitions)
        since = {tp: max(oldest[tp.partition] - horizon, 0) for tp in partitions}
        starts = await consumer.offsets_for_times(since)
        beginnings = await consumer.beginning_offsets(partitions)
        ends = await consumer.end_offsets(partitions)
        for tp in partitions:
            recent = starts.get(tp)
            start = ends[tp] if recent is None else recent.offset
            consumer.seek(tp, max(min(start, ends[tp] - LATEST), beginnings[tp]))
        async for record in read_to_end(consumer, partitions):
            if decision := _decision(record):
                yield decision
    finally:
        await stop_client(consumer)


def _decision(record: object) -> Decision | None:
    try:
        # A newer worker, in a rolling upgrade, may say more than this version knows.
        return Decision.model_validate_json(record.value or b"", extra="ignore")  # type: ignore[attr-defined]
    except ValidationError as error:
        log.warning(
            "Skipped %s[%d]@%d, which is no decision of ours: %d problems",
            record.topic,  # type: ignore[attr-defined]
            record.partition,  # type: ignore[attr-defined]
            record.offset,  # type: ignore[attr-defined]
            error.error_count(),
        )
        return None


async def _oldest_uncommitted(
    settings: Settings, topics: Topics, homes: Collection[int], wall_ms: int
) -> dict[int, int]:
    """Per home partition the timestamp of the first record that will be read (again), ms.

    A decision is published after its observations, so none that matters is older.
    """
    consumer = AIOKafkaConsumer(
        **client_options(settings),
        group_id=settings.group,  # to see what it has committed; it does not join
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=1,  # one batch of each will do
    )
    await consumer.start()
    try:
        partitions = [KafkaTP(topic, home) for topic in topics.inputs for home in sorted(homes)]
        consumer.assign(partitions)
        beginnings = await consumer.beginning_offsets(partitions)
        for tp in partitions:
            consumer.seek(tp, max(beginnings[tp], await consumer.committed(tp) or 0))
        oldest = dict.fromkeys(homes, wall_ms)
        unread = set(partitions)
        while unread:
            for tp, records in (await consumer.getmany(*unread, timeout_ms=POLL_MS)).items():
                if records:
                    oldest[tp.partition] = min(oldest[tp.partition], records[0].timestamp)
                    unread.discard(tp)
            unread = {tp for tp in unread if not await at_end(consumer, tp)}
        return oldest
    except UnicodeDecodeError:
        return dict.fromkeys(homes, 0)  # an unreadable record (stream.kafka.unreadable): read all
    finally:
        await stop_client(consumer)
