"""A host and a publisher without a broker: what agents ask for, in plain asyncio."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from schemas.record import Batch, Outgoing, Reading, Record, TopicPartition


class FakeHost:
    """Lends what a test has laid out.

    Attributes:
        ours: whether the lease holds.
        rejoined: how often a new assignment was asked for.
        given_back: sizes of the batches that are done.
        failures: what tasks have died of.
    """

    def __init__(self, now: int) -> None:
        self.now = now
        self.ours = True
        self.rejoined = 0
        self.found: dict[TopicPartition, Reading] = {}
        self.counts: dict[str, int] = {}
        self.given_back: list[int] = []
        self.paused: set[TopicPartition] = set()
        self.failures: list[BaseException] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def wall_ms(self) -> int:
        return self.now

    def readings(self) -> Mapping[TopicPartition, Reading]:
        return self.found

    def partition_counts(self, topics: Collection[str]) -> Mapping[str, int]:
        return {topic: self.counts[topic] for topic in topics}

    def done(self, batch: Batch) -> None:
        self.given_back.append(batch.size)

    def may_publish(self) -> bool:
        return self.ours

    def pause(self, tps: Collection[TopicPartition]) -> None:
        self.paused.update(tps)

    def resume(self, tps: Collection[TopicPartition]) -> None:
        self.paused.difference_update(tps)

    def rejoin(self) -> None:
        self.rejoined += 1

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failures.append(error)

    async def close(self) -> None:
        """Ends all tasks."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class FakePublisher:
    """Confirms what it is given, once the gate is open.

    Attributes:
        gate: closed, nothing is confirmed.
        sent: what has been confirmed, in order.
        attempted: what `attempt` was asked for, confirmed or not.
        said: what it says of the records that `attempt` publishes.
    """

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.sent: list[Outgoing] = []
        self.attempted: list[Outgoing] = []
        self.said: Any = SimpleNamespace(timestamp=0, timestamp_type=0)

    async def deliver(self, records: Sequence[Outgoing], ours: Callable[[], bool]) -> bool:
        await self.gate.wait()
        if not ours():
            return not records
        self.sent += records
        return True

    async def attempt(self, record: Outgoing) -> Any:
        self.attempted.append(record)
        await self.gate.wait()
        return self.said


def log_append(at: int) -> Any:
    """Returns what the broker says of a record to which it gave its own time."""
    return SimpleNamespace(timestamp=at, timestamp_type=1)


def batch_of(
    records: Sequence[Record], *, generation: int = 1, live: bool = True, size: int = 1
) -> Batch:
    return Batch(records[0].tp, generation, records, live, size)


async def until(condition: Callable[[], Any]) -> None:
    """Waits until a condition holds, 5 s at most."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


async def settle() -> None:
    """Lets everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0.003)
