"""Faust's aiokafka transport, one message a topic and poll, whose value is batches of records.

Faust's cost is per message, its acknowledgements lose events when they come out of order, and
several of its paths drop records or seek by themselves. So the records come in batches, what may
be committed is asked of the stage, and where reading goes on is set by `StageApp` alone.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from itertools import groupby
from typing import Any, ClassVar

from aiokafka.errors import ConsumerStoppedError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from schemas.record import Batch, Reading, TopicPartition
from stream.kafka.budget import Budget
from stream.kafka.consumer_thread import ConsumerThread

POLL_TIMEOUT = 1.0


class Consumer(driver.Consumer):  # type: ignore[misc]
    """Feeds Faust's agents whole batches and commits what the stage has finished."""

    _thread: ConsumerThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.budget = Budget(self.app.settings.max_in_flight_bytes)
        self._assignment: Any = None
        """Whose positions have been set; None between a revocation and the next `open`."""
        self._generation = -1
        self._opened = asyncio.Event()
        self._held: frozenset[TopicPartition] = frozenset()
        self._commit_lock = asyncio.Lock()

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    # -- what StageApp calls --------------------------------------------------------------

    def shut(self) -> None:
        """Hands out nothing more, until `open`; what is finished may still be committed."""
        self._opened.clear()
        self._thread.shut()

    async def committed(self) -> tuple[Any, dict[TopicPartition, tuple[int, str] | None]]:
        """Returns the assignment, and next offset and metadata committed for each partition."""
        return await self._thread.run(self._thread.committed())

    async def open(
        self, assignment: Any, generation: int, positions: Mapping[TopicPartition, int]
    ) -> None:
        """Goes on reading, each partition where `positions` says; those that it leaves out go on
        at what is committed, or else at their beginning."""
        self.budget.forget()
        self._buffered_partitions.clear()
        if await self._thread.run(self._thread.open(assignment, positions)):
            self._assignment, self._generation = assignment, generation
            self._opened.set()

    def pause(self, tps: Collection[TopicPartition]) -> None:
        """Takes no more of these; batches that are under way still come."""
        self._held |= frozenset(tps)

    def resume(self, tps: Collection[TopicPartition]) -> None:
        """Takes of these again."""
        self._held -= frozenset(tps)
        self._wake()

    @property
    def paused(self) -> frozenset[TopicPartition]:
        """Partitions that nothing is taken of."""
        return self._held

    def readings(self) -> dict[TopicPartition, Reading]:
        """Returns how far each assigned partition has been read."""
        return self._thread.readings()

    def partition_counts(self, topics: Collection[str]) -> dict[str, int]:
        """Returns the partition count of each topic, as far as it is known."""
        return self._thread.partition_counts(topics)

    def may_publish(self) -> bool:
        """Whether nobody else can own what this worker was assigned."""
        return self._thread.lease.holds()

    def rejoin(self) -> None:
        """Asks the group for a new assignment."""
        asyncio.run_coroutine_threadsafe(self._thread.rejoin(), self._thread.thread_loop)

    async def check(self) -> None:
        """Raises what has ended the consumer's background tasks."""
        await self._thread.run(self._thread.check())

    @property
    def is_stuck(self) -> bool:
        """Whether Faust holds back a flow whose positions are set, which nothing would end."""
        return self._opened.is_set() and not self.flow_active

    # -- Faust's own ----------------------------------------------------------------------

    async def perform_seek(self) -> None:
        """Does nothing: `open` has set, or will set, the positions."""

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Does nothing: the tree of gaps would grow for ever, and serves acknowledgements only."""

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Does nothing: Faust's livelock detector counts acknowledgements."""

    def on_buffer_full(self, tp: TP) -> None:
        """Faust's queue for this topic is full: the others go on without it."""
        self._buffered_partitions.add(tp)

    def on_buffer_drop(self, tp: TP) -> None:
        self._buffered_partitions.discard(tp)
        self._wake()

    def _wake(self) -> None:
        asyncio.run_coroutine_threadsafe(self._thread.wake(), self._thread.thread_loop)

    async def _drain_messages(self, fetcher: Any) -> None:
        """Polls until Faust stops its fetcher service."""
        try:
            while not (self.should_stop or fetcher.should_stop):
                if not self.flow_active:
                    await self.wait_first(self.can_resume_flow, fetcher._stopped)
                    continue
                # Both waits end with the service, which cancels this.
                await self._opened.wait()
                await self.budget.wait_for_room()
                polled = await self._poll()
                polled.sort(key=lambda batch: batch.tp.topic)
                for topic, batches in groupby(polled, key=lambda batch: batch.tp.topic):
                    await self._hand_out(topic, list(batches))
        except (ConsumerStoppedError, asyncio.CancelledError):
            if not (self.should_stop or fetcher.should_stop or self.app.should_stop):
                raise

    async def _poll(self) -> list[Batch]:
        full = {tp.topic for tp in self._buffered_partitions}

        def is_held(tp: TopicPartition) -> bool:
            return tp in self._held or tp.topic in full

        poll = self._thread.poll(is_held, self.budget.room, self._generation, POLL_TIMEOUT)
        return await self._thread.run(poll)

    async def _hand_out(self, topic: str, batches: Sequence[Batch]) -> None:
        """Hands Faust one message, which for Faust is the last record of the first batch."""
        first = batches[0]
        if first.generation != self._generation or not self._opened.is_set():
            return  # the next generation sets all positions anew
        for batch in batches:
            self.budget.take(batch)
        last = first.records[-1]
        message = ConsumerMessage(
            topic,
            first.tp.partition,
            last.offset,
            last.timestamp / 1000,
            0,
            [],
            None,
            batches,
            None,
            tp=TP(*first.tp),
            generation_id=first.generation,
        )
        await self.callback(message)

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Commits all that the stage has finished by now; nothing any more once it has failed."""
        async with self._commit_lock:
            if self.app.failure.error is not None:
                return False
            stage = self.app.stage
            if self._assignment is None or not (ready := stage.committable()):
                return False
            if not await self._thread.run(self._thread.commit_offsets(self._assignment, ready)):
                return False
            stage.committed(ready)
            return True


class Transport(driver.Transport):  # type: ignore[misc]
    """The transport that `StageApp` plugs in."""

    Consumer: ClassVar[type[Consumer]] = Consumer
