"""Steps over records that aiokafka cannot read, so that one of them does not stop the line.

A header name that is not UTF-8 (any librdkafka client can write one) raises `UnicodeDecodeError`
from the middle of a fetch, again after every restart. aiokafka then has lost the records before
it in the batch and those of other partitions, so this puts the positions back, hands out the good
records one at a time, and in place of the bad one a record without bytes that says so; intake
makes a dead letter of it, whose coordinates tell where the original lies.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from schemas.headers import UNREADABLE

STEP = 1.0
"""Seconds that one record may take to be fetched again."""

Records = dict[TopicPartition, list[ConsumerRecord]]


async def fetch_over_unreadable(
    consumer: AIOKafkaConsumer, fetch: Callable[[], Awaitable[Records]]
) -> Records:
    """What `fetch` gives; at an unreadable record what lies before it and a stand-in.

    Args:
        fetch: drains the consumer's fetcher.
    """
    assignment, before = _assignment(consumer), _positions(consumer)
    try:
        return await fetch()
    except UnicodeDecodeError as error:
        broken = _broken(consumer)
        if not broken:
            raise
        if _assignment(consumer) is not assignment:
            before = {}  # positions of an older assignment may lie ahead of what is ours to read
        # Nothing of this fetch has been handed out: start over where it began.
        for tp, position in _positions(consumer).items():
            start = before[tp] if tp in before else await _first_position(consumer, tp)
            if start != position or tp in broken:
                consumer._fetcher.seek_to(tp, start)
        records: Records = {}
        for tp, offset in broken.items():
            records[tp] = await _up_to(consumer, tp, offset)
            if _positions(consumer).get(tp) == offset:
                records[tp].append(_unreadable(tp, offset, error))
                consumer._fetcher.seek_to(tp, offset + 1)
        return records


async def _first_position(consumer: AIOKafkaConsumer, tp: TopicPartition) -> int:
    """Where reading of a partition began of which nothing has been handed out yet."""
    if consumer._group_id is not None and (offset := await consumer.committed(tp)) is not None:
        return int(offset)
    return int((await consumer.beginning_offsets([tp]))[tp])


async def _up_to(consumer: AIOKafkaConsumer, tp: TopicPartition, offset: int) -> list[Any]:
    """The records before `offset`, as far as the broker gives them; one at a time, since a larger
    piece would run into the unreadable one."""
    records: list[Any] = []
    while _positions(consumer).get(tp, offset) < offset:
        step = await consumer._fetcher.fetched_records([tp], timeout=STEP, max_records=1)
        if not step.get(tp):
            break  # the broker is slow; the next fetch goes on from here
        records.extend(step[tp])
    return records


def _broken(consumer: AIOKafkaConsumer) -> dict[TopicPartition, int]:
    """The partitions whose record iterator has died, and the offset at which it did."""
    found = {}
    for tp, result in consumer._fetcher._records.items():
        records = getattr(result, "_partition_records", None)
        # A generator that raised has no frame any more; one that ended has been dropped.
        if records is not None and getattr(records._records_iterator, "gi_frame", 1) is None:
            found[tp] = records.next_fetch_offset
    return found


def _assignment(consumer: AIOKafkaConsumer) -> Any:
    """The assignment in force; another object after every rebalance."""
    subscription = consumer._subscription.subscription
    return subscription and subscription.assignment


def _positions(consumer: AIOKafkaConsumer) -> dict[TopicPartition, int]:
    """The next offset of each partition that is known."""
    if (assignment := _assignment(consumer)) is None:
        return {}
    states = ((tp, assignment.state_value(tp)) for tp in assignment.tps)
    return {tp: state.position for tp, state in states if state.has_valid_position}


def _unreadable(tp: TopicPartition, offset: int, error: UnicodeDecodeError) -> ConsumerRecord:
    reason = f"a header name is not UTF-8 ({error.object[:40]!r}); its client must name it in UTF-8"
    headers = ((UNREADABLE, reason.encode()),)
    return ConsumerRecord(tp.topic, tp.partition, offset, -1, 0, None, None, None, -1, -1, headers)
