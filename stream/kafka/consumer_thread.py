"""Faust's consumer thread, handing out whole batches of records.

What runs here runs in the consumer's own event loop; `Consumer` in `stream.kafka.transport` calls
it from the worker's. It reaches into aiokafka's fetcher and coordinator where the public API has
nothing: each place says why. That it is long has this reason: all such places are in one file.
"""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Mapping
from functools import partial
from typing import Any, TypeVar

import aiokafka
from aiokafka.errors import CommitFailedError, ConsumerStoppedError, IllegalStateError, KafkaError
from aiokafka.structs import ConsumerRecord, OffsetAndMetadata
from faust.transport.drivers import aiokafka as driver

from schemas.record import Batch, Reading, Record, TopicPartition
from stream.kafka.clock import boottime
from stream.kafka.connection import client_options
from stream.kafka.lease import Lease
from stream.kafka.outage import Outage
from stream.kafka.unreadable import fetch_over_unreadable
from stream.settings import Settings, ms

log = logging.getLogger(__name__)

PARTITION_FETCH_BYTES = 1024 * 1024
"""What one fetch brings of a partition at most; one larger record comes all the same."""
FETCH_PARTS = 4
"""One fetch of all partitions brings at most this part of the byte budget."""
POLL_RECORDS = 500
"""Records of a topic that a poll brings at most, since compression hides how large they become."""
METADATA_MAX_AGE_MS = 10_000
"""How soon partitions that were added to a topic are found."""
NO_POLL_LIMIT_MS = 86_400_000
"""aiokafka leaves the group when nothing is fetched for so long; back pressure may last, and
whether this worker works is watched elsewhere."""
COMMIT_TIMEOUT = 5.0
GROUP_PATIENCE = 60.0
"""Seconds for which the group's coordination may fail without an assignment in between."""

T = TypeVar("T")
IsHeld = Callable[[aiokafka.TopicPartition], bool]
"""Whether nothing is taken of a partition."""


class ConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """Runs aiokafka's consumer; what is public here is called from the worker's event loop."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.settings: Settings = self.app.settings
        self.lease = Lease(self.app.conf.id, self.settings.session_timeout)
        self._open: Any = None
        """The assignment whose positions have been set; only from it records are handed out."""
        self._readings: dict[TopicPartition, Reading] = {}
        self._ended: dict[TopicPartition, bool] = {}
        self._stamps: dict[TopicPartition, int | None] = {}
        self._commit_under_way: asyncio.Task[None] | None = None
        self._committing = Outage(f"Committing offsets of group {self.app.conf.id}")
        self._coordinating = Outage(f"The coordination of group {self.app.conf.id}")
        self._uncoordinated_since: float | None = None

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs it in the thread's loop. Unlike Faust's `call_thread` it starts no tasks that wait
        for others (two at a time), so that a poll never waits for a commit."""
        try:
            future = asyncio.run_coroutine_threadsafe(work, self.thread_loop)
        except RuntimeError as error:  # the loop is closed
            work.close()
            raise ConsumerStoppedError from error
        return await asyncio.wrap_future(future)

    # -- life -----------------------------------------------------------------------------

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        settings = self.settings
        return aiokafka.AIOKafkaConsumer(
            **client_options(settings) | {"request_timeout_ms": ms(self._request_timeout)},
            client_id=f"regrade-{self.app.conf.id}",
            group_id=self.app.conf.id,
            partition_assignment_strategy=[self.app.sticky_assignor],
            enable_auto_commit=False,
            # With `latest` a partition whose position is not known yet would be skipped whole.
            auto_offset_reset="earliest",
            session_timeout_ms=ms(settings.session_timeout),
            heartbeat_interval_ms=ms(settings.heartbeat_interval),
            rebalance_timeout_ms=ms(settings.rebalance_timeout),
            max_poll_interval_ms=NO_POLL_LIMIT_MS,
            metadata_max_age_ms=METADATA_MAX_AGE_MS,
            fetch_max_wait_ms=ms(settings.fetch_max_wait),
            fetch_max_bytes=max(settings.max_in_flight_bytes // FETCH_PARTS, 1),
            max_partition_fetch_bytes=min(PARTITION_FETCH_BYTES, settings.max_in_flight_bytes),
        )

    @property
    def _request_timeout(self) -> float:
        # A request to join the group is answered when all members have joined.
        settings = self.settings
        return max(settings.request_timeout, settings.session_timeout, settings.rebalance_timeout)

    async def on_start(self) -> None:
        await super().on_start()
        consumer = self._ensure_consumer()
        # Neither tells anybody: when an answer brought nothing, when a heartbeat was accepted.
        self._fetch = consumer._fetcher._proc_fetch_request
        consumer._fetcher._proc_fetch_request = self._fetch_and_note
        self._heartbeat = consumer._coordinator._do_heartbeat
        consumer._coordinator._do_heartbeat = self._heartbeat_and_renew

    def close(self) -> None:
        """Faust closes the client from a foreign loop here when a rebalance begins while it stops;
        the ordinary end closes it anyway."""

    def _stopped_set(self) -> None:
        """After a failure elsewhere the thread has ended by itself, and its loop is closed."""
        if self.thread_loop.is_closed():
            with contextlib.suppress(RuntimeError):  # nobody can wait there any more
                self._stopped.set()
        else:
            super()._stopped_set()

    async def check(self) -> None:
        """Looks after aiokafka's own tasks, which fail without a word.

        Raises:
            KafkaError: the consumer cannot go on.
        """
        consumer = self._ensure_consumer()
        if consumer._closed:
            return
        coordinator = consumer._coordinator
        for task in (consumer._fetcher._fetch_task, coordinator._coordination_task):
            if task.done():
                error = None if task.cancelled() else task.exception()
                raise ConsumerStoppedError(f"a task of the consumer ended ({error!r})")
        try:
            coordinator.check_errors()  # which also lets the coordination go on after an error
        except KafkaError as error:
            if not _is_passing(error):
                raise
            self._coordinating.fails(error)
            self._uncoordinated_since = self._uncoordinated_since or time.monotonic()
            if time.monotonic() - self._uncoordinated_since > GROUP_PATIENCE:
                raise
            coordinator.request_rejoin()  # starts the heartbeat anew, which ended with the error

    # -- the group ------------------------------------------------------------------------

    async def _heartbeat_and_renew(self) -> bool:
        sent_at = boottime()
        accepted: bool = await self._heartbeat()
        if accepted:
            self.lease.renew(sent_at)
        return accepted

    async def on_partitions_assigned(self, assigned: Any, generation_id: int = 0) -> None:
        self.lease.begin(boottime())
        self._coordinating.works()
        self._uncoordinated_since = None
        await super().on_partitions_assigned(assigned, generation_id)

    async def rejoin(self) -> None:
        """Asks the group for a new assignment."""
        self._ensure_consumer()._coordinator.request_rejoin()

    async def committed(self) -> tuple[Any, dict[TopicPartition, tuple[int, str] | None]]:
        """Returns the assignment, and what is committed of each of its partitions: the next
        offset and the metadata, in one request."""
        consumer = self._ensure_consumer()
        assignment = consumer._subscription.subscription.assignment
        # The public `committed` gives no metadata and asks for one partition at a time.
        offsets = await consumer._coordinator.fetch_committed_offsets(list(assignment.tps))
        found: dict[TopicPartition, tuple[int, str] | None] = {}
        for tp in assignment.tps:
            known = offsets.get(tp)
            found[TopicPartition(*tp)] = None if known is None else (known.offset, known.metadata)
        return assignment, found

    async def open(self, assignment: Any, positions: Mapping[TopicPartition, int]) -> bool:
        """Sets where partitions go on and starts handing out their records.

        Returns:
            False if there is a newer assignment: then nothing has happened.
        """
        consumer = self._ensure_consumer()
        if not self._is_current(assignment):
            return False
        for tp, offset in positions.items():
            if tp in assignment.tps:
                consumer.seek(aiokafka.TopicPartition(*tp), offset)
        self._readings.clear()
        self._ended.clear()
        self._stamps.clear()
        self._open = assignment
        return True

    def shut(self) -> None:
        """Hands out nothing until the next `open`. Any thread."""
        self._open = None

    def _is_current(self, assignment: Any) -> bool:
        subscription = self._ensure_consumer()._subscription.subscription
        return subscription is not None and subscription.assignment is assignment

    async def commit_offsets(
        self, assignment: Any, offsets: Mapping[TopicPartition, tuple[int, str]]
    ) -> bool:
        """Commits what was finished under this assignment.

        Returns:
            False if it is not committed (yet): the assignment is over, or the broker is away.

        Raises:
            KafkaError: it never will be.
        """
        if not self._is_current(assignment):
            return False
        if (task := self._commit_under_way) is None:
            ours = {
                aiokafka.TopicPartition(*tp): OffsetAndMetadata(*offset)
                for tp, offset in offsets.items()
                if tp in assignment.tps
            }
            commit = self._ensure_consumer().commit(ours)
            task = self._commit_under_way = asyncio.create_task(commit)
            is_this_one = True
        else:
            is_this_one = False  # of a former call, which did not wait so long
        await asyncio.wait([task], timeout=COMMIT_TIMEOUT)
        if not task.done():
            # aiokafka tries and tries again, and is not to be interrupted.
            self._committing.fails(TimeoutError(f"no answer within {COMMIT_TIMEOUT:g} s"))
            return False
        self._commit_under_way = None
        error = task.exception()
        if isinstance(error, CommitFailedError | IllegalStateError):
            return False  # rebalanced meanwhile: whoever owns the partitions now reads again
        if error is not None:
            if not (isinstance(error, KafkaError) and _is_passing(error)):
                raise error
            self._committing.fails(error)
            return False
        self._committing.works()
        return is_this_one

    # -- records --------------------------------------------------------------------------

    async def poll(
        self, is_held: IsHeld, room: int, generation: int, patience: float
    ) -> list[Batch]:
        """Returns one batch of each partition that has records; waits for the first.

        Args:
            is_held: whether nothing is taken of a partition.
            room: bytes; no further batch is taken beyond it.
            patience: seconds to wait for the first.
        """
        consumer = self._ensure_consumer()
        fetcher = consumer._fetcher
        if consumer._closed or fetcher._closed:
            raise ConsumerStoppedError
        assignment = self._open
        try:
            if not self._ready(is_held):
                waiter = fetcher._create_fetch_waiter()
                await asyncio.wait([waiter], timeout=patience)
                if not waiter.done():
                    waiter.cancel()
                    return []
                waiter.result()
            if assignment is None or not self._is_current(assignment):
                return []
            before = {tp: self._ended.get(tp, False) for tp in self._ready(is_held)}
            fetch = partial(self._take, is_held, room)
            records = await fetch_over_unreadable(consumer, fetch)
        except KafkaError as error:
            if not _is_passing(error):
                raise
            return []  # `check` sees to it
        if self._open is not assignment or not self._is_current(assignment):
            return []  # a new assignment sets all positions anew
        return [
            self._batch(assignment, tp, taken, generation, before.get(tp, False))
            for tp, taken in records.items()
            if taken
        ]

    async def wake(self) -> None:
        """Lets a waiting `poll` look again: other partitions may be taken of now."""
        fetcher = self._ensure_consumer()._fetcher
        for waiter in list(fetcher._fetch_waiters):
            fetcher._notify(waiter)

    def _ready(self, is_held: IsHeld) -> list[aiokafka.TopicPartition]:
        return [tp for tp in self._ensure_consumer()._fetcher._records if not is_held(tp)]

    async def _take(
        self, is_held: IsHeld, room: int
    ) -> dict[aiokafka.TopicPartition, list[ConsumerRecord]]:
        """Empties the fetcher partition by partition, so that it stops as soon as it must."""
        consumer = self._ensure_consumer()
        fetcher = consumer._fetcher
        taken: dict[aiokafka.TopicPartition, list[ConsumerRecord]] = {}
        more = Counter({tp.topic: POLL_RECORDS for tp in fetcher._records})
        for tp in self._ready(is_held):
            if consumer._subscription.reassignment_in_progress or room <= 0:
                break  # (the fetcher would wait for the new assignment)
            if more[tp.topic] <= 0:
                continue
            found = await fetcher.fetched_records([tp], timeout=0, max_records=more[tp.topic])
            taken.update(found)
            records = found.get(tp, ())
            more[tp.topic] -= len(records)
            room -= sum(_size(record) for record in records)
        return taken

    def _batch(
        self,
        assignment: Any,
        tp: aiokafka.TopicPartition,
        records: list[ConsumerRecord],
        generation: int,
        caught_up_before: bool,
    ) -> Batch:
        ours = TopicPartition(*tp)
        state = assignment.state_value(tp)
        self._ended[ours] = state.highwater is not None and state.position >= state.highwater
        previous = self._readings.get(ours)
        self._readings[ours] = Reading(
            caught_up=False,
            handed=records[-1].offset,
            answered_at=previous.answered_at if previous else None,
        )
        return Batch(
            ours,
            generation,
            [_record(record) for record in records],
            caught_up_before,
            sum(_size(record) for record in records),
        )

    async def _fetch_and_note(self, assignment: Any, node_id: int, request: Any) -> bool:
        """Notes which partitions were answered for, and which have nothing more; before anything
        is decoded, so that a record that cannot be decoded holds up nobody's clock."""
        arrived: bool = await self._fetch(assignment, node_id, request)
        if not assignment.active or assignment is not self._open:
            return arrived
        waiting = self._ensure_consumer()._fetcher._records
        now = round(boottime() * 1000)
        for topic, partitions in request.topics:
            for partition, _, _ in partitions:
                tp = TopicPartition(topic, partition)
                state = assignment.state_value(tp)
                if state.timestamp == self._stamps.get(tp):
                    continue  # an error, or an answer to a question that is no longer asked
                self._stamps[tp] = state.timestamp
                previous = self._readings.get(tp)
                handed = previous.handed if previous else -1
                ended = False
                if tp not in waiting and state.has_valid_position:
                    # The position, unlike the last offset, also passes what is never handed out.
                    ended = self._ended[tp] = state.position >= state.highwater
                self._readings[tp] = Reading(ended, handed, now)
        return arrived

    def partition_counts(self, topics: Collection[str]) -> dict[str, int]:
        """Returns the partition count of each topic, as far as it is known; any thread."""
        cluster = self._ensure_consumer()._client.cluster
        counts = {topic: len(cluster.partitions_for_topic(topic) or ()) for topic in topics}
        return {topic: count for topic, count in counts.items() if count}

    def readings(self) -> dict[TopicPartition, Reading]:
        """Returns how far each partition has been read; a snapshot, any thread."""
        assignment = self._open
        if assignment is None:
            return {}
        unknown = Reading(caught_up=False, handed=-1, answered_at=None)
        return {
            TopicPartition(*tp): self._readings.get(TopicPartition(*tp), unknown)
            for tp in assignment.tps
        }


def _is_passing(error: KafkaError) -> bool:
    """Whether it may go away by itself. aiokafka wraps whatever the group's coordinator says that
    it does not know (that it is still loading, for one) in a bare KafkaError."""
    return bool(error.retriable) or type(error) is KafkaError


def _size(record: ConsumerRecord) -> int:
    size = len(record.key or b"") + len(record.value or b"")
    if record.headers:
        size += sum(len(name) + len(value or b"") for name, value in record.headers)
    return size


def _record(record: ConsumerRecord) -> Record:
    timestamp = -1 if record.timestamp is None else record.timestamp
    return Record(
        record.topic,
        record.partition,
        record.offset,
        timestamp,
        record.key,
        record.value,
        record.headers,
    )
