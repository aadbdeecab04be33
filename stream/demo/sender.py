"""Sends a simulated line to a cluster, on time."""

import asyncio
import itertools
import time
import zlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaProducer

from schemas.codec import encode
from stream.audit import Damaged
from stream.connection import client_options, connecting, stop_client
from stream.demo.line import Item, Line, Sent
from stream.settings import Settings, ms
from stream.station import Station

IN_FLIGHT = 500
RENDERED_AHEAD = 24
"""Items that are rendered in one go in a thread, while those before them are sent."""

OnSent = Callable[[Item, float], None]
"""Told of each item as it is handed over, and the wall clock then, in s."""


class LineSender:
    """All stations of a simulated line, in one client.

    Args:
        foreign_sources: stations whose records go where librdkafka's default partitioner puts them.
    """

    def __init__(self, settings: Settings, foreign_sources: frozenset[str]) -> None:
        self._station = Station(source="line", settings=settings, buffer=IN_FLIGHT)
        self._raw = AIOKafkaProducer(
            **client_options(settings), acks="all", linger_ms=ms(settings.producer_linger)
        )
        self._settings = settings
        self._foreign_sources = foreign_sources
        self._free = asyncio.Semaphore(IN_FLIGHT)
        self._sending: set[asyncio.Task[None]] = set()
        self._error: BaseException | None = None

    async def __aenter__(self) -> Self:
        try:
            async with connecting(self._settings.bootstrap_servers):
                await self._raw.start()
            await self._station.start()
        except BaseException:
            await stop_client(self._raw)
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
        await self._station.close()
        await stop_client(self._raw)

    async def run(self, line: Line, on_sent: OnSent) -> None:
        """Send everything at its time, and wait until the broker has confirmed it.

        Raises:
            RegradeError: the broker did not confirm something.
        """
        async for item in _rendered(line.items()):
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

    def _send(self, item: Item) -> Coroutine[Any, Any, None]:
        if not isinstance(item, Sent):
            return self._send_raw(item.record)
        observation = item.observation
        if observation.source not in self._foreign_sources:
            return self._send_well(item)
        record = Damaged(
            self._station.topics.observation(observation.modality),
            observation.unit_id.encode(),
            encode(observation),
        )
        return self._send_raw(record)

    async def _send_well(self, item: Sent) -> None:
        await self._station.send(item.observation)

    async def _send_raw(self, record: Damaged) -> None:
        partitions = await self._raw.partitions_for(record.topic)
        partition = crc32_partition(record.key or b"", len(partitions))
        await self._raw.send_and_wait(record.topic, record.value, record.key, partition)


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
