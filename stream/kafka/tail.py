"""Reads partitions from where a consumer stands to their present end."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from stream.kafka.connection import client_options, connecting, stop_client
from stream.kafka.unreadable import fetch_over_unreadable
from stream.settings import Settings

POLL_MS = 200


@asynccontextmanager
async def reading(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    """Gives a consumer without a group and without partitions.

    Raises:
        BrokerUnreachable: no broker answers.
    """
    consumer = AIOKafkaConsumer(
        **client_options(settings),
        enable_auto_commit=False,
        auto_offset_reset="earliest",  # with `latest` a partition can be passed over whole
    )
    try:
        async with connecting(settings.bootstrap_servers):
            await consumer.start()
        yield consumer
    finally:
        await stop_client(consumer)


async def read_to_end(
    consumer: AIOKafkaConsumer, partitions: Collection[TopicPartition]
) -> AsyncIterator[Any]:
    """Every record up to the highwater mark, of each partition in order.

    In place of one that aiokafka cannot read comes a record without a value (see
    `stream.kafka.unreadable`).

    The end is the highwater mark of a fetch beyond `end_offsets`, since the embedded broker may
    tell of both too little: ListOffsets answers with the middle of the last batch, and a piece of
    a backlog comes with that piece's end as the highwater mark. The position, unlike the last
    record's offset, also passes markers and compaction gaps.

    Raises:
        KafkaError: the partitions cannot be read.
    """
    unread = set(partitions)
    ends = await consumer.end_offsets(list(unread)) if unread else {}
    while unread:
        fetch = partial(consumer.getmany, *unread, timeout_ms=POLL_MS)
        batches = await fetch_over_unreadable(consumer, fetch)
        for records in batches.values():
            for record in records:
                yield record
        unread = {
            tp
            for tp in unread
            if await consumer.position(tp) < ends[tp] or not await at_end(consumer, tp)
        }


async def at_end(consumer: AIOKafkaConsumer, partition: TopicPartition) -> bool:
    """Whether a fetch has shown that there is nothing more to read."""
    highwater = consumer.highwater(partition)
    return highwater is not None and await consumer.position(partition) >= highwater


async def first_since(consumer: AIOKafkaConsumer, partition: TopicPartition, since: int) -> int:
    """Returns the first offset at or after a time, ms since 1970 UTC.

    The beginning where the broker cannot tell (the embedded one), the end where nothing is that
    young.
    """
    found = (await consumer.offsets_for_times({partition: max(since, 1)})).get(partition)
    if found is not None:
        return int(found.offset)
    if (await consumer.offsets_for_times({partition: 1})).get(partition) is None:
        return int((await consumer.beginning_offsets([partition]))[partition])
    return int((await consumer.end_offsets([partition]))[partition])
