"""Faust's aiokafka transport with the four things that it does not let us set.

1. The frontier decides what is committed. Faust counts acknowledgements itself, and its count
   passes over held messages when they come out of order (faust-streaming issue 606).
2. `fetch_max_wait_ms`, hard-coded to 1500, which some brokers make us wait for.
3. Records that aiokafka cannot read are stepped over instead of stopping the worker.
4. How far each partition has been read and when the broker last answered, for the watermark.
"""

import time
from collections.abc import Collection
from functools import partial
from typing import Any, ClassVar

import aiokafka
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from stream.kafka.unreadable import fetch_over_unreadable
from stream.pipeline.machinery import Reading
from stream.pipeline.record import TopicPartition

UNKNOWN = Reading(caught_up=False, handed=-1, polled_at=None)


class ConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """Runs aiokafka's consumer; remembers what it has handed out."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._handed: dict[TopicPartition, int] = {}
        self._handed_at: dict[TopicPartition, int] = {}

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # The fetcher is made by start(), from this attribute.
        consumer._fetch_max_wait_ms = transport.app.fetch_max_wait_ms
        return consumer

    async def _fetch_records(self, *args: Any, **kwargs: Any) -> Any:
        fetch = partial(super()._fetch_records, *args, **kwargs)
        records = await fetch_over_unreadable(self._ensure_consumer(), fetch)
        for tp, batch in records.items():
            if batch:
                key = TopicPartition(tp.topic, tp.partition)
                self._handed[key] = batch[-1].offset
                self._handed_at[key] = time.time_ns() // 1_000_000
        return records

    async def _commit(self, offsets: dict[TP, int]) -> bool:
        """Commit, or try again at the next interval: a broker that is away is no reason to die."""
        consumer = self._ensure_consumer()
        ours = {
            aiokafka.TopicPartition(tp.topic, tp.partition): OffsetAndMetadata(offset, "")
            for tp, offset in offsets.items()
        }
        try:
            await consumer.commit(ours)
        except KafkaError as error:
            self.log.warning("Offsets are not committed yet: %r", error)
            return False
        return True

    def reading(self, tp: TopicPartition) -> Reading:
        """How far the partition has been read (a snapshot; any thread)."""
        subscription = self._ensure_consumer()._subscription.subscription
        assignment = subscription and subscription.assignment
        kafka_tp = aiokafka.TopicPartition(*tp)
        if assignment is None or kafka_tp not in assignment.tps:
            return UNKNOWN
        state = assignment.state_value(kafka_tp)
        known = state.highwater is not None and state.has_valid_position
        return Reading(
            # The position also passes over what is never handed out, such as markers.
            # And only a fetch since then that brought nothing proves the end: with a piece of a
            # backlog the embedded broker tells that piece's end as the highwater mark.
            caught_up=known
            and state.position >= state.highwater
            and (state.timestamp or 0) > self._handed_at.get(tp, 0),
            handed=self._handed.get(tp, -1),
            polled_at=state.timestamp,
        )

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        self._handed.clear()  # every partition starts anew at its committed offset
        self._handed_at.clear()
        await super().on_partitions_assigned(assigned, generation_id)

    def rejoin(self) -> None:
        """Ask the group for a new assignment (any thread)."""
        coordinator = self._ensure_consumer()._coordinator
        self.thread_loop.call_soon_threadsafe(coordinator.request_rejoin)


class Consumer(driver.Consumer):  # type: ignore[misc]
    """Commits what the pipeline's frontier allows, and nothing else."""

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def force_commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        pipeline = self.app.pipeline
        if pipeline is None or not (offsets := pipeline.committable()):
            return False
        if not await self._commit({TP(*tp): offset for tp, offset in offsets.items()}):
            return False
        pipeline.committed(offsets)
        return True

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust's livelock detector counts acks; the metrics tell what it would."""

    # -- what the pipeline asks -----------------------------------------------------------

    def reading(self, tp: TopicPartition) -> Reading:
        thread: ConsumerThread = self._thread
        return thread.reading(tp)

    def pause(self, tps: Collection[TopicPartition]) -> None:
        if self.app.rebalancing:
            return
        paused = {TP(*tp) for tp in tps}
        self.resume_partitions(self._paused_partitions - paused)
        self.pause_partitions(paused)

    def rejoin(self) -> None:
        self._thread.rejoin()


class Transport(driver.Transport):  # type: ignore[misc]
    """The transport that `stream.app` plugs in."""

    Consumer: ClassVar[type[Consumer]] = Consumer
