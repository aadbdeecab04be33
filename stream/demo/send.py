"""Sends a simulated line to a cluster, on time."""

import asyncio
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from stream.demo.line import Item
from stream.errors import DeliveryError
from stream.kafka.connection import client_options, connecting, partition_count, stop_client
from stream.kafka.partitioner import home_partition
from stream.kafka.topics import Topics
from stream.settings import Settings, ms


async def send_line(
    settings: Settings, items: Iterator[Item], on_sent: Callable[[Item, float], None]
) -> None:
    """Sends each item at its time, and waits until the broker has confirmed them all.

    A single producer for all stations, and no `Station` beside it: where several write to one
    partition at a time, the embedded broker now and then sets the highwater mark back, and loses
    a record that it had confirmed (about one in ten thousand, measured).

    Args:
        on_sent: told of each item as it is handed over, and the wall clock then, in s.

    Raises:
        BrokerUnreachable: no broker answers.
        MissingTopicError: there is no topic for a modality.
        DeliveryError: the broker did not confirm a record.
    """
    topics = Topics(settings.topic_prefix)
    producer = AIOKafkaProducer(
        **client_options(settings),
        acks="all",
        linger_ms=ms(settings.producer_linger),
        max_batch_size=512 * 1024,
        max_request_size=topics.message_bytes(topics.observations[0], settings.limits),
    )
    deliveries: deque[asyncio.Future[Any]] = deque()
    try:
        async with connecting(settings.bootstrap_servers):
            await producer.start()
            counts = {t: await partition_count(producer.client, t) for t in topics.observations}
        # In a thread, as drawing a photograph takes longer than sending it.
        while (item := await asyncio.to_thread(next, items, None)) is not None:
            await asyncio.sleep(max(item.send_at_ms / 1000 - time.time(), 0))
            on_sent(item, time.time())
            partition_of = crc32_partition if item.foreign else home_partition
            partition = partition_of(item.unit_id, counts[item.topic])
            key = item.unit_id.encode()
            deliveries.append(await producer.send(item.topic, item.value, key, partition))
            while deliveries and deliveries[0].done():
                await deliveries.popleft()
        await asyncio.gather(*deliveries)
    except KafkaError as error:
        raise DeliveryError(
            f"the broker did not confirm a record: {error!r}; is it still there?"
        ) from error
    finally:
        await stop_client(producer)
        for delivery in deliveries:  # the first that failed has been told
            delivery.cancel()
        await asyncio.gather(*deliveries, return_exceptions=True)


def crc32_partition(key: str, partitions: int) -> int:
    """Returns where librdkafka's default partitioner (`consistent_random`) puts a key."""
    return zlib.crc32(key.encode()) % partitions
