"""The decide stage: feature records and marks in; decisions, late letters and dead letters out.

One home partition is one `_Home`: a queue of batches and the loop around its `DecideStep`. A home
that was taken over first reads back what has been decided; the others go on meanwhile.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Protocol

from agents.decide.step import DecideStep, Effects, StartingPoint
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
"""Records above which a step takes no further batch: a rebalance waits for the step."""
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

    # -- life ---------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begins; homes come with `assign`."""

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
        for home in homes.values():
            home.go_on()
        return {tp: home.next_offset for tp, home in homes.items()}

    async def revoke(self) -> None:
        """Waits for what is in flight; the homes then stand still until they are assigned."""
        self._generation = -1
        await asyncio.gather(*[home.halt() for home in self._homes.values()])

    # -- records --------------------------------------------------------------------------------

    async def take(self, batch: Batch) -> None:
        """Queues a batch of one home partition."""
        home = self._homes.get(batch.tp)
        if home is None or batch.generation != self._generation:
            self.host.done(batch)
            return
        home.put(batch)

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

    # -- what homes report ----------------------------------------------------------------------

    def name_wrong_clocks(self) -> None:
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

    def count(self, effects: Effects) -> None:
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
        joins = [home.step.join for home in self._homes.values()]
        metrics.open_passages.set(sum(join.open_passages for join in joins))
        metrics.duplicates.set(sum(join.duplicates for join in joins))
        metrics.inseparable.set(sum(join.inseparable for join in joins))
        metrics.unfinished.set(sum(h.frontier.unfinished for h in self._homes.values()))
        self.name_wrong_clocks()


class _Home:
    """One home partition that this worker owns.

    Attributes:
        next_offset: the first record that has not been queued yet.
        restored: what had been decided has been read back.
        broken: its state is ahead of what could be published; it must be read back again.
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
        self._agent = agent
        self._first = offset
        self._start = start
        self._queue: asyncio.Queue[tuple[Batch, list[Record]]] = (
            asyncio.Queue()
        )  # bounded by the budget of bytes
        self._may_work = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False
        self._reached = (BEGINNING, agent.host.wall_ms())
        """The watermark, and since when it has been there, ms; then 0: the log has said so."""
        self._task = agent.host.spawn(self._run())

    def put(self, batch: Batch) -> None:
        # What comes again within an assignment has been queued already.
        fresh = [record for record in batch.records if record.offset >= self.next_offset]
        if fresh:
            self.next_offset = fresh[-1].offset + 1
        self._queue.put_nowait((batch, fresh))

    def go_on(self) -> None:
        self._may_work.set()

    async def halt(self) -> None:
        """Lets nothing more begin, and waits until what has begun is finished."""
        self._may_work.clear()
        try:
            await self._idle.wait()
        except asyncio.CancelledError:
            self.broken = True  # it took too long: what has begun may not be published any more
            raise

    def close(self) -> None:
        """Another worker owns the home now; nothing of it may be published any more."""
        self._closed = True
        self._task.cancel()
        while not self._queue.empty():
            self._agent.host.done(self._queue.get_nowait()[0])

    def committable(self) -> tuple[int, str] | None:
        offset = self.frontier.committable()
        if offset is None:
            return None
        point = self.step.starting_point(offset)
        return offset, str(point or "")

    # -- inside -----------------------------------------------------------------------------------

    async def _run(self) -> None:
        await self._restore()
        self.restored = True
        self._agent.host.resume([self.tp])
        while True:
            taken = [await self._queue.get()]
            try:
                await self._may_work.wait()
                self._idle.clear()
                while not self._queue.empty() and sum(len(fresh) for _, fresh in taken) < STEP_MAX:
                    taken.append(self._queue.get_nowait())
                await self._work([record for _, fresh in taken for record in fresh])
            finally:
                self._idle.set()
                for batch, _ in taken:
                    self._agent.host.done(batch)
            if self.broken:
                return

    async def _work(self, records: Sequence[Record]) -> None:
        agent = self._agent
        self.frontier.deliver(record.offset for record in records)
        work = partial(self.step.step, records, agent.host.wall_ms())
        effects: Effects = await off_loop(agent.executor, work, len(records))
        if await agent.publisher.deliver(effects.outgoing, self._is_ours):
            self.frontier.finish(effects.finished)
            agent.count(effects)
            self._tell_a_stall()
        elif not self._closed:
            # Its state is ahead of what has been published: it is read back with the next
            # assignment, which may not come by itself.
            self.broken = True
            agent.host.rejoin()

    def _tell_a_stall(self) -> None:
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

    def _is_ours(self) -> bool:
        return not (self._closed or self.broken) and self._agent.host.may_publish()

    async def _restore(self) -> None:
        """Reads back what the topics remember, again and again until it can be read."""
        failed = False
        while True:
            try:
                await self._read_back()
                return
            except Unavailable as error:
                if not failed:
                    log.warning("Home partition %d is not read back yet: %s", self._number, error)
                failed = True
                self.step = self._agent.make_step(self._start)
                await asyncio.sleep(RETRY_AFTER)

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
