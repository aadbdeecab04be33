"""The extract stage: batches of raw records in; feature records, dead letters and marks out.

The loop around `ExtractStep`: step off the event loop, publish, confirm, and only then count the
records as finished, hear their stations and let marks speak of them. It keeps nothing else.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from itertools import islice

from agents.extract.clocks import ClockConfig
from agents.extract.progress import Heard, InputProgress, make_mark
from agents.extract.step import Extracted, ExtractStep
from agents.host import Host, Publisher
from agents.metrics import Metrics
from agents.off_loop import off_loop
from schemas.errors import RegradeError
from schemas.mark import encode_mark
from schemas.record import Batch, Outgoing, TopicPartition

log = logging.getLogger(__name__)

LOOK = 0.05
"""Seconds between two looks at how far partitions have been read."""
AHEAD = "too far ahead: what it sends becomes dead letters"
BEHIND = "far behind the others: nobody waits for it, and what it sends may be late"
MAX_NAMED = 1_000
"""Wrong clocks that the log names: who makes up stations shall not fill it."""
IN_FLIGHT = 16
"""Polls of a topic that may be under way; a rebalance waits for them."""
MAX_CLOCK_DIFFERENCE = 5_000
"""How far a worker's clock may be from the broker's, ms: beyond it, it judges nobody."""


class WrongClock(RegradeError):
    """The clock of this machine is too far from the broker's to judge the stations' clocks."""


@dataclass(frozen=True, slots=True)
class ExtractSettings:
    """What the extract stage has to know besides its steps.

    Args:
        worker: names this process in marks.
        homes: H, the partition count of the features topic.
        mark_interval: seconds between two marks.
    """

    worker: str
    features_topic: str
    homes: int
    clocks: ClockConfig
    mark_interval: float = 1.0


class ExtractAgent:
    """The extract stage of one worker.

    Args:
        steps: by input topic.
    """

    def __init__(
        self,
        settings: ExtractSettings,
        steps: Mapping[str, ExtractStep],
        host: Host,
        publisher: Publisher,
        executor: Executor,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._steps = steps
        self._host = host
        self._publisher = publisher
        self._executor = executor
        self._metrics = metrics
        self._room = asyncio.Semaphore(IN_FLIGHT)
        self._generation = -1
        self._assigned = -1
        """The generation of the last assignment, also while its partitions are revoked."""
        self._inputs: dict[TopicPartition, InputProgress] = {}
        self._committed: dict[TopicPartition, tuple[int, str]] = {}
        self._in_flight: dict[str, asyncio.Task[None]] = {}
        """By topic, what was taken last."""
        self._marking: set[int] = set()
        """Homes whose last mark is not confirmed yet."""
        self._clock_is_right = asyncio.Event()
        """Set when the broker has confirmed a mark and our clock was near its own, if it tells."""
        self._named: set[tuple[str, str, str]] = set()
        """Stations with a wrong clock that the log has named: where, which, and how."""

    # -- life ---------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begins to look at the partitions and to send marks."""
        self._host.spawn(self._look())
        self._host.spawn(self._send_marks())

    async def stop(self) -> None:
        """Finishes what is in flight."""
        await self.revoke()

    async def assign(
        self, generation: int, committed: Mapping[TopicPartition, tuple[int, str] | None]
    ) -> Mapping[TopicPartition, int]:
        """Takes on an assignment; returns where each partition goes on.

        A partition that this worker read in the generation directly before keeps its clocks.
        """
        kept_inputs = self._inputs if generation == self._assigned + 1 else {}
        inputs: dict[TopicPartition, InputProgress] = {}
        for tp, known in committed.items():
            offset, carried = known or (0, "")
            kept = kept_inputs.get(tp)
            if kept is not None and kept.next_offset >= offset:
                kept.interrupted()
                inputs[tp] = kept
            else:
                inputs[tp] = InputProgress(
                    tp.topic, tp.partition, offset, self._settings.clocks, carried
                )
        self._inputs, self._in_flight = inputs, {}
        self._generation = self._assigned = generation
        names = sorted(f"{tp.topic}[{tp.partition}]" for tp in inputs)
        log.info("Generation %d: input partitions %s", generation, ", ".join(names) or "none")
        self._committed = {tp: known for tp, known in committed.items() if known is not None}
        return {tp: each.next_offset for tp, each in inputs.items()}

    async def revoke(self) -> None:
        """Waits for what is in flight; what is not confirmed in time is read again."""
        try:
            if self._in_flight:
                await asyncio.wait(self._in_flight.values())
        finally:
            self._generation = -1

    # -- records --------------------------------------------------------------------------------

    async def take(self, batches: Sequence[Batch]) -> None:
        """Extracts what a poll brought of one topic, and begins to publish what came of it."""
        await self._clock_is_right.wait()
        await self._room.acquire()
        if batches[0].generation != self._generation:
            self._finish(batches)
            return
        topic = batches[0].tp.topic
        records = [record for batch in batches for record in batch.records]
        work = partial(self._steps[topic].step, records, self._host.wall_ms())
        extracted = await off_loop(self._executor, work, len(records))
        before = self._in_flight.get(topic)
        self._in_flight[topic] = self._host.spawn(self._confirm(batches, extracted, before))

    async def _confirm(
        self,
        batches: Sequence[Batch],
        extracted: Sequence[Extracted],
        before: Awaitable[None] | None,
    ) -> None:
        """Publishes; once all is confirmed, and so is what came before, counts it as done."""
        generation, inputs = batches[0].generation, self._inputs
        try:
            records = [item.outgoing for item in extracted]
            if not await self._publisher.deliver(records, self._is_ours(generation)):
                self._give_up(generation)
                return
            if before is not None:
                await before
        finally:
            self._finish(batches)
        if generation != self._generation:
            return
        items = iter(extracted)
        for batch in batches:
            came = list(islice(items, len(batch.records)))
            heard = [item.heard for item in came if item.heard is not None]
            inputs[batch.tp].confirmed(
                batch.records[-1].offset + 1, _newest(heard), live=batch.caught_up_before
            )
            self._count(batch.tp, came, len(heard))

    def _finish(self, batches: Sequence[Batch]) -> None:
        self._room.release()
        for batch in batches:
            self._host.done(batch)

    def _give_up(self, generation: int) -> None:
        """Counts nothing more of a generation in which something could not be published: what
        comes behind it must not be committed. It is read again with the next assignment."""
        if generation == self._generation:
            self._generation = -1
            self._host.rejoin()

    def _is_ours(self, generation: int) -> Callable[[], bool]:
        return lambda: generation == self._generation and self._host.may_publish()

    def _count(self, tp: TopicPartition, extracted: Sequence[Extracted], usable: int) -> None:
        topic, partition = tp
        self._metrics.observations.labels(self._steps[topic].config.modality.value).inc(usable)
        for item in extracted:
            if item.reason is not None:
                self._metrics.dead_letters.labels(topic, item.reason).inc()
            if item.ahead is not None:
                self._name(f"{topic}[{partition}]", item.ahead, AHEAD)

    # -- offsets --------------------------------------------------------------------------------

    def committable(self) -> Mapping[TopicPartition, tuple[int, str]]:
        """Returns the next offset of each partition and what its next owner must know."""
        now = {tp: (each.next_offset, each.carry()) for tp, each in self._inputs.items()}
        return {tp: said for tp, said in now.items() if said != self._committed.get(tp, (0, ""))}

    def committed(self, offsets: Mapping[TopicPartition, tuple[int, str]]) -> None:
        """The broker has confirmed these."""
        self._committed.update(offsets)

    # -- time -----------------------------------------------------------------------------------

    async def _look(self) -> None:
        while True:
            for tp, reading in self._host.readings().items():
                progress = self._inputs.get(tp)
                if progress is not None and reading.answered_at is not None:
                    at_end = reading.caught_up and reading.handed < progress.next_offset
                    progress.answered(reading.answered_at, at_end=at_end)
            await asyncio.sleep(LOOK)

    async def _send_marks(self) -> None:
        """Sends one mark an interval to every home partition that has confirmed the last one."""
        while True:
            # The first one goes out at once: nobody is judged before our own clock is.
            known = self._clock_is_right.is_set()
            await asyncio.sleep(self._settings.mark_interval if known else LOOK)
            if self._generation < 0 or not self._host.may_publish():
                continue
            topics = list(self._steps)
            mark = make_mark(
                self._settings.worker,
                self._generation,
                self._host.partition_counts(topics),
                self._inputs.values(),
            )
            self._name_wrong_clocks()
            value = encode_mark(mark)
            for home in range(self._settings.homes):
                if home not in self._marking:
                    self._marking.add(home)
                    self._host.spawn(self._send_mark(home, value))

    async def _send_mark(self, home: int, value: bytes) -> None:
        sent_at = self._host.wall_ms()
        record = Outgoing(self._settings.features_topic, None, value, partition=home)
        try:
            said = await self._publisher.attempt(record)
        finally:
            self._marking.discard(home)
        if said is None:
            return
        if said.timestamp_type == 1:  # the broker's own time (LogAppendTime)
            self._check_clock(said.timestamp, sent_at)
        self._clock_is_right.set()

    def _check_clock(self, broker_ms: int, sent_at: int) -> None:
        """Ends the worker where its clock is wrong: it would judge the clocks of stations by it."""
        early = sent_at - broker_ms
        late = broker_ms - self._host.wall_ms()
        if max(early, late) > MAX_CLOCK_DIFFERENCE:
            raise WrongClock(
                f"this machine's clock is {max(early, late)} ms"
                f" {'ahead of' if early > late else 'behind'} the broker's; set it (NTP), then"
                " start the worker again"
            )

    def _name_wrong_clocks(self) -> None:
        """Names each station with a wrong clock once in the log, and counts them."""
        wrong = {
            (f"{each.topic}[{each.partition}]", source)
            for each in self._inputs.values()
            for source in each.clocks.wrong
        }
        for where, source in sorted(wrong):
            self._name(where, source, BEHIND)
        self._metrics.wrong_clocks.labels("station").set(len(wrong))

    def _name(self, where: str, source: str, how: str) -> None:
        """Says of a station once that its clock is wrong."""
        if (named := (where, source, how)) not in self._named and len(self._named) < MAX_NAMED:
            self._named.add(named)
            log.warning("The clock of station %s on %s is %s; set it", source, where, how)


def _newest(heard: Sequence[Heard]) -> list[Heard]:
    """Returns the newest observation of each station, which is all that its clock hears."""
    newest: dict[str, Heard] = {}
    for each in heard:
        if each.source not in newest or each.captured_at > newest[each.source].captured_at:
            newest[each.source] = each
    return list(newest.values())
