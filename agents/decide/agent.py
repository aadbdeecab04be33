"""The decide stage: feature records and marks in; decisions, late letters and dead letters out.

One home partition is one `_Home`: a queue of batches, and a `DecideStep`. The homes that have
something to do and whose last decisions are confirmed step together. A home that was taken over
first reads back what has been decided; the others go on meanwhile.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Protocol

from agents.decide.step import DecideStep, Effects, StartingPoint, step_together
from agents.frontier import Frontier
from agents.host import Host, Publisher
from agents.join import BEGINNING
from agents.metrics import Metrics
from agents.off_loop import off_loop
from schemas.decision import Decision
from schemas.errors import Unavailable
from schemas.record import Batch, Record, TopicPartition

log = logging.getLogger(__name__)

STEP_MAX = 1_000
"""Records above which a step takes no further batch of a home: a rebalance waits for the step."""
STALLED_AFTER = 60.0
"""Seconds without progress of event time after which the log says what holds it."""
RETRY_AFTER = 1.0
"""Seconds until what could not be read back is tried again."""


class Memory(Protocol):
    """What the topics remember of a home partition that has been taken over."""

    def recall(
        self, home: int, oldest_mark: int | None, first: int
    ) -> AsyncIterator[Record | Decision]:
        """Yields the records of the features topic from `oldest_mark` until `first`, then the
        decisions that matter to records from `first` on; each in the order of its log.

        Args:
            oldest_mark: offset of the oldest mark that still counted at `first`; None: not known.
            first: offset of the first record that will be processed.

        Raises:
            Unavailable: they cannot be read now.
        """
        ...


class DecideAgent:
    """The decide stage of one worker.

    Args:
        make_step: gives the step of a home partition from where event time had come.
    """

    def __init__(
        self,
        features_topic: str,
        make_step: Callable[[StartingPoint | None], DecideStep],
        host: Host,
        publisher: Publisher,
        memory: Memory,
        executor: Executor,
        metrics: Metrics,
    ) -> None:
        self._features_topic = features_topic
        self.make_step = make_step
        self.host = host
        self.publisher = publisher
        self.memory = memory
        self.executor = executor
        self.metrics = metrics
        self._generation = -1
        self._assigned = -1
        self._homes: dict[TopicPartition, _Home] = {}
        self._named: set[tuple[str, int]] = set()
        self._news = asyncio.Event()
        """Something may be ready for a step."""

    # -- life ---------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begins; homes come with `assign`."""
        self._serve_gauges()
        self.host.spawn(self._run())

    async def stop(self) -> None:
        """Finishes what is in flight."""
        await self.revoke()
        for home in self._homes.values():
            home.close()

    async def assign(
        self, generation: int, committed: Mapping[TopicPartition, tuple[int, str] | None]
    ) -> Mapping[TopicPartition, int]:
        """Takes on an assignment; returns where each home partition goes on.

        A home that this worker owned in the generation directly before keeps its state.
        """
        kept = self._homes if generation == self._assigned + 1 else {}
        homes: dict[TopicPartition, _Home] = {}
        for tp, known in committed.items():
            home = kept.get(tp)
            if home is None or home.broken:
                offset, metadata = known or (0, "")
                start = StartingPoint.read(metadata)
                home = _Home(self, tp, offset, start, self.make_step(start))
            homes[tp] = home
        for tp, home in self._homes.items():
            if homes.get(tp) is not home:
                home.close()
        new = [home.tp.partition for tp, home in homes.items() if self._homes.get(tp) is not home]
        log.info(
            "Generation %d: home partitions %s, of which %s are new here",
            generation,
            sorted(tp.partition for tp in homes),
            sorted(new),
        )
        self._homes, self._generation, self._assigned = homes, generation, generation
        self.host.pause([tp for tp, home in homes.items() if not home.restored])
        self._news.set()
        return {tp: home.next_offset for tp, home in homes.items()}

    async def revoke(self) -> None:
        """Waits for what is in flight; the homes then stand still until they are assigned."""
        self._generation = -1
        await asyncio.gather(*[home.finished() for home in self._homes.values()])

    # -- records --------------------------------------------------------------------------------

    async def take(self, batches: Sequence[Batch]) -> None:
        """Queues what a poll brought, each batch with its home partition."""
        for batch in batches:
            home = self._homes.get(batch.tp)
            if home is None or batch.generation != self._generation:
                self.host.done(batch)
            else:
                home.put(batch)
                self._news.set()

    async def _run(self) -> None:
        """Steps, again and again, with all homes that are ready."""
        while True:
            await self._news.wait()
            self._news.clear()
            ready = [home for home in self._homes.values() if home.is_ready]
            if self._generation < 0 or not ready:
                continue
            taken = [home.take(STEP_MAX) for home in ready]
            works = [(home.step, records) for home, (_, records) in zip(ready, taken, strict=True)]
            step = partial(step_together, works, self.host.wall_ms())
            count = sum(len(records) for _, records in works)
            for home, (batches, _), effects in zip(
                ready, taken, await off_loop(self.executor, step, count), strict=True
            ):
                self.host.spawn(self._carry_out(home, batches, effects))
            self._name_wrong_clocks()

    async def _carry_out(self, home: "_Home", batches: Sequence[Batch], effects: Effects) -> None:
        try:
            if await self.publisher.deliver(effects.outgoing, home.is_ours):
                home.frontier.finish(effects.finished)
                self._count(effects)
                home.tell_a_stall()
            elif not home.closed:
                # Its state is ahead of what has been published: it is read back with the next
                # assignment, which may not come by itself.
                home.broken = True
                self.host.rejoin()
        finally:
            home.idle.set()
            for batch in batches:
                self.host.done(batch)
            self._news.set()

    def restored(self, home: "_Home") -> None:
        """A home has been read back."""
        self.host.resume([home.tp])
        self._news.set()

    # -- offsets --------------------------------------------------------------------------------

    def committable(self) -> Mapping[TopicPartition, tuple[int, str]]:
        """Returns the next offset of each home, and where event time had come there."""
        offsets = {}
        for tp, home in self._homes.items():
            if (found := home.committable()) is not None:
                offsets[tp] = found
        return offsets

    def committed(self, offsets: Mapping[TopicPartition, tuple[int, str]]) -> None:
        """The broker has confirmed these."""
        for tp, (offset, _) in offsets.items():
            if home := self._homes.get(tp):
                home.frontier.committed(offset)

    # -- what is told -----------------------------------------------------------------------------

    @property
    def reached(self) -> int | None:
        """The event time that all homes here have come to, ms; None where there are none."""
        return min((home.step.watermark.value for home in self._homes.values()), default=None)

    def _name_wrong_clocks(self) -> None:
        """Names each input partition with a wrong clock once in the log, and counts them."""
        wrong = {each for home in self._homes.values() for each in home.step.watermark.wrong_clocks}
        for topic, partition in sorted(wrong - self._named):
            log.warning(
                "The clock of %s[%d] is far behind the others though it has been read to its end:"
                " nobody waits for it, and what comes on it may be late; set its stations' clocks",
                topic,
                partition,
            )
        self._named |= wrong
        self.metrics.wrong_clocks.labels("partition").set(len(wrong))

    def _count(self, effects: Effects) -> None:
        """Counts what has been published."""
        metrics, wall_ms = self.metrics, self.host.wall_ms()
        metrics.late.inc(effects.late)
        metrics.repeats.inc(effects.repeats)
        for reason in effects.dead:
            metrics.dead_letters.labels(self._features_topic, reason).inc()
        for decision in effects.decisions:
            newest = max(evidence.captured_at for evidence in decision.evidence)
            latency = max(wall_ms / 1000 - newest.timestamp(), 0.0)
            metrics.decision_latency.observe(latency)
            metrics.decisions.labels(decision.status, str(decision.routing.option)).inc()

    def _serve_gauges(self) -> None:
        """Lets the gauges look for themselves, when they are read (in a thread of theirs)."""

        def total(count: Callable[[_Home], int]) -> Callable[[], float]:
            return lambda: sum(count(home) for home in self._homes.values())

        metrics = self.metrics
        metrics.open_passages.set_function(total(lambda home: home.step.join.open_passages))
        metrics.duplicates.set_function(total(lambda home: home.step.join.duplicates))
        metrics.inseparable.set_function(total(lambda home: home.step.join.inseparable))
        metrics.unfinished.set_function(total(lambda home: home.frontier.unfinished))


class _Home:
    """One home partition that this worker owns.

    Attributes:
        next_offset: the first record that has not been queued yet.
        restored: what had been decided has been read back.
        broken: its state is ahead of what could be published; it must be read back again.
        closed: another worker owns the home now; nothing of it may be published any more.
        idle: cleared while records are on their way through a step to their confirmation.
    """

    def __init__(
        self,
        agent: DecideAgent,
        tp: TopicPartition,
        offset: int,
        start: StartingPoint | None,
        step: DecideStep,
    ) -> None:
        self.tp = tp
        self.next_offset = offset
        self.step = step
        self.frontier = Frontier(offset)
        self.restored = False
        self.broken = False
        self.closed = False
        self.idle = asyncio.Event()
        self.idle.set()
        self._agent = agent
        self._first = offset
        self._start = start
        self._queue: deque[tuple[Batch, list[Record]]] = deque()  # bounded by the budget of bytes
        self._reached = (BEGINNING, agent.host.wall_ms())
        """The watermark, and since when it has been there, ms; then 0: the log has said so."""
        self._restoring = agent.host.spawn(self._restore())

    @property
    def is_ready(self) -> bool:
        """Whether it has something to do, and nothing that must be done before."""
        return bool(self._queue) and self.restored and self.idle.is_set() and not self.broken

    def put(self, batch: Batch) -> None:
        """Queues a batch; what comes again within an assignment has been queued already."""
        fresh = [record for record in batch.records if record.offset >= self.next_offset]
        if fresh:
            self.next_offset = fresh[-1].offset + 1
        self._queue.append((batch, fresh))

    def take(self, limit: int) -> tuple[list[Batch], list[Record]]:
        """Returns queued batches, and the records of them, as long as there are fewer than the
        limit; `idle` is to be set when they are done with."""
        self.idle.clear()
        batches: list[Batch] = []
        records: list[Record] = []
        while self._queue and len(records) < limit:
            batch, fresh = self._queue.popleft()
            batches.append(batch)
            records += fresh
        self.frontier.deliver(record.offset for record in records)
        return batches, records

    async def finished(self) -> None:
        """Waits until what has begun is finished; cancelled, nothing of it will be published."""
        try:
            await self.idle.wait()
        except asyncio.CancelledError:
            self.broken = True
            raise

    def close(self) -> None:
        self.closed = True
        self._restoring.cancel()
        while self._queue:
            self._agent.host.done(self._queue.popleft()[0])

    def is_ours(self) -> bool:
        """Whether what comes of it may be published."""
        return not (self.closed or self.broken) and self._agent.host.may_publish()

    def committable(self) -> tuple[int, str] | None:
        offset = self.frontier.committable()
        if offset is None:
            return None
        point = self.step.starting_point(offset)
        return offset, str(point or "")

    def tell_a_stall(self) -> None:
        """Says once what event time waits for, where it has stood still for long."""
        watermark, now = self.step.watermark, self._agent.host.wall_ms()
        value, since = self._reached
        if watermark.value != value:
            self._reached = (watermark.value, now)
        elif since and now - since > STALLED_AFTER * 1000 and self.step.join.open_passages:
            self._reached = (value, 0)
            log.warning(
                "Event time of home partition %d has stood still for %.0f s: it waits for %s",
                self._number,
                STALLED_AFTER,
                ", ".join(sorted(self.step.watermark.holding())) or "marks",
            )

    # -- reading back -----------------------------------------------------------------------------

    async def _restore(self) -> None:
        """Reads back what the topics remember, again and again until it can be read."""
        failed = False
        while True:
            try:
                await self._read_back()
                break
            except Unavailable as error:
                if not failed:
                    log.warning("Home partition %d is not read back yet: %s", self._number, error)
                failed = True
                self.step = self._agent.make_step(self._start)
                await asyncio.sleep(RETRY_AFTER)
        self.restored = True
        self._agent.restored(self)

    async def _read_back(self) -> None:
        decisions = records = 0
        oldest_mark = None if self._start is None else self._start.oldest_mark
        async for item in self._agent.memory.recall(self._number, oldest_mark, self._first):
            if isinstance(item, Record):
                self.step.restore_mark(item)
                records += 1
            else:
                self.step.restore(item)
                decisions += 1
        log.info(
            "Home partition %d goes on at offset %d: %d decisions and %d records with marks"
            " read back",
            self._number,
            self._first,
            decisions,
            records,
        )

    @property
    def _number(self) -> int:
        return self.tp.partition
