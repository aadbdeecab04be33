"""Sends a simulated line to a cluster, on time."""

import asyncio
import itertools
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from types import TracebackType
from typing import Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.codec import encode
from schemas.observation import Observation
from stream.demo.line import Item, Sent
from stream.errors import DeliveryError
from stream.kafka.connection import client_options, connecting, partition_count, stop_client
from stream.kafka.partitioner import home_partition
from stream.kafka.topics import Topics
from stream.settings import Settings, ms

IN_FLIGHT = 500
RENDERED_AHEAD = 24
"""Items that are rendered in one go in a thread, while those before them are sent."""

OnSent = Callable[[Item, float], None]
"""Told of each item as it is handed over, and the wall clock then, in s."""


class LineSender:
    """All stations of a simulated line, in one client.

    A single producer for all of them, and no `Station` beside it: where several write to one
    partition at a time, the embedded broker now and then sets the highwater mark back, and loses
    a record that it had confirmed (about one in ten thousand, measured).

    Args:
        foreign_sources: stations whose records go where librdkafka's default partitioner puts them.
    """

    def __init__(self, settings: Settings, foreign_sources: frozenset[str]) -> None:
        self._topics = Topics(settings.topic_prefix)
        self._producer = AIOKafkaProducer(
            **client_options(settings),
            acks="all",
            linger_ms=ms(settings.producer_linger),
            max_request_size=self._topics.message_bytes(
                self._topics.observations[0], settings.limits
            ),
        )
        self._settings = settings
        self._foreign_sources = foreign_sources
        self._partitions: dict[str, int] = {}
        self._free = asyncio.Semaphore(IN_FLIGHT)
        self._sending: set[asyncio.Task[None]] = set()
        self._error: BaseException | None = None

    async def __aenter__(self) -> Self:
        try:
            async with connecting(self._settings.bootstrap_servers):
                await self._producer.start()
                for topic in self._topics.observations:
                    count = await partition_count(self._producer.client, topic)
                    self._partitions[topic] = count
        except BaseException:
            await stop_client(self._producer)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
        await stop_client(self._producer)

    async def run(self, items: Iterator[Item], on_sent: OnSent) -> None:
        """Send each at its time, and wait until the broker has confirmed them all.

        Raises:
            RegradeError: the broker did not confirm something.
        """
        async for item in _rendered(items):
            delay = item.send_at_ms / 1000 - time.time()
            await asyncio.sleep(max(delay, 0))
            await self._hand_over(item)
            on_sent(item, time.time())
        await self.flush()

    async def flush(self) -> None:
        """Wait until all that is on its way has been confirmed."""
        await asyncio.gather(*self._sending, return_exceptions=True)
        self._check()

    async def _hand_over(self, item: Item) -> None:
        self._check()
        await self._free.acquire()
        task = asyncio.create_task(self._send(item))
        self._sending.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        self._free.release()
        if not task.cancelled() and (error := task.exception()):
            self._error = self._error or error

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    async def _send(self, item: Item) -> None:
        if isinstance(item, Sent):
            seen = item.observation
            topic, key = self._topics.observation(seen.modality), seen.unit_id.encode()
            value: bytes | None = encode(seen)
            partition = self._partition(topic, seen)
        else:
            topic, key_or_none, value = item.record
            key = key_or_none or b""
            partition = crc32_partition(key, self._partitions[topic])
        try:
            await self._producer.send_and_wait(topic, value, key, partition)
        except KafkaError as error:
            raise DeliveryError(
                f"the broker did not confirm a record on {topic}: {error!r}; is it still there?"
            ) from error

    def _partition(self, topic: str, seen: Observation) -> int:
        count = self._partitions[topic]
        if seen.source in self._foreign_sources:
            return crc32_partition(seen.unit_id.encode(), count)
        return home_partition(seen.unit_id, count)


def crc32_partition(key: bytes, partitions: int) -> int:
    """Where librdkafka's default partitioner (`consistent_random`) puts a key."""
    return zlib.crc32(key) % partitions


async def _rendered(items: Iterator[Item]) -> AsyncIterator[Item]:
    """The items, rendered ahead in a thread: drawing a photograph takes longer than sending it."""

    def take() -> list[Item]:
        return list(itertools.islice(items, RENDERED_AHEAD))

    chunk = await asyncio.to_thread(take)
    while chunk:
        ahead = asyncio.create_task(asyncio.to_thread(take))
        try:
            for item in chunk:
                yield item
        finally:
            chunk = await ahead
