"""An extract worker: polls its input partitions, sends feature records and marks, commits.

What `ExtractAgent` does around the step, under virtual time. Features are ready made, since only
their metadata matters here; the progress of partitions and the marks are the real ones.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from agents.extract.clocks import ClockConfig
from agents.extract.progress import Heard, InputProgress, make_mark
from schemas.feature_record import Origin
from schemas.mark import encode_mark
from schemas.record import TopicPartition
from support.plant.channel import Channel
from support.plant.scenario import MAX_CLOCK_SKEW, MAX_SOURCE_LAG, METADATA_AGE, SECOND

if TYPE_CHECKING:
    from support.plant.group import Group

BATCH_RECORDS = 20
QUIET = 400
"""A partition that has nothing new is looked at so often, ms."""


@dataclass(slots=True)
class _Batch:
    """Records that were taken together; confirmed when nothing of them is on its way."""

    generation: int
    next_offset: int
    heard: list[Heard]
    live: bool
    on_its_way: int


@dataclass(slots=True)
class _Input:
    """How far the worker has read a partition."""

    progress: InputProgress
    position: int
    ended: bool = False
    looked_at: int = 0
    in_flight: deque[_Batch] = field(default_factory=deque)


class ExtractWorker:
    """One process of the extract stage."""

    def __init__(self, name: str, group: "Group") -> None:
        self.name = name
        self.group = group
        self.generation = -1
        self.member_of = -1
        """The last generation that it was assigned partitions in."""
        self.reading = False
        self.alive = True
        self.frozen = False
        self.replaced = False
        """The group has given its partitions to others, and it knows by its lease at least."""
        self.inputs: dict[TopicPartition, _Input] = {}
        scenario = group.scenario
        self._rng = scenario.random(f"worker {name}")
        self._clocks = ClockConfig(scenario.stay, scenario.idle_timeout, MAX_SOURCE_LAG)
        self._channels = [
            Channel(group.clockwork, group.broker, log, self._rng, scenario.latency)
            for log in group.broker.homes
        ]
        self._marking: set[int] = set()
        self._committed: dict[TopicPartition, tuple[int, str]] = {}
        self.counts = group.broker.partition_counts(self.now)
        for every, action in (
            (scenario.tick, self._poll),
            (SECOND, self._mark),
            (scenario.commit_interval, self.commit),
            (METADATA_AGE, self._look_for_partitions),
        ):
            self._repeat(every, action)

    @property
    def now(self) -> int:
        return self.group.clockwork.now

    @property
    def running(self) -> bool:
        return self.alive and not self.frozen

    # -- the group ----------------------------------------------------------------------------

    def assign(
        self, generation: int, committed: Mapping[TopicPartition, tuple[int, str] | None]
    ) -> None:
        kept_inputs = self.inputs if generation == self.member_of + 1 else {}
        inputs = {}
        for tp, known in committed.items():
            offset, carried = known or (0, "")
            kept = kept_inputs.get(tp)
            if kept is not None and kept.progress.next_offset >= offset:
                kept.progress.interrupted()
                progress = kept.progress
            else:
                progress = InputProgress(tp.topic, tp.partition, offset, self._clocks, carried)
            inputs[tp] = _Input(progress, progress.next_offset)
        self.inputs, self.generation, self.reading = inputs, generation, True
        self.member_of = generation
        self._committed = {tp: known for tp, known in committed.items() if known is not None}

    def revoke(self) -> None:
        """Gives its partitions up; what is still in flight will not count."""
        self.commit()
        self.generation, self.reading = -1, False

    @property
    def busy(self) -> bool:
        return any(each.in_flight for each in self.inputs.values())

    def commit(self) -> None:
        if not self.group.broker.answers(self.now):
            return
        said = {
            tp: (each.progress.next_offset, each.progress.carry())
            for tp, each in self.inputs.items()
        }
        changed = {tp: it for tp, it in said.items() if it != self._committed.get(tp, (0, ""))}
        if self.group.commit(self, changed):
            self._committed.update(changed)

    # -- what goes wrong ----------------------------------------------------------------------

    def crash(self) -> None:
        self.alive = False
        for channel in self._channels:
            channel.crash()

    def freeze(self) -> None:
        self.frozen = True
        for channel in self._channels:
            channel.freeze()

    def thaw(self) -> None:
        self.frozen = False
        for channel in self._channels:
            channel.thaw()

    # -- records ------------------------------------------------------------------------------

    def _poll(self) -> None:
        if not self.reading or self.replaced or not self.group.broker.answers(self.now):
            return
        for tp, each in self.inputs.items():
            log = self.group.broker.inputs[tp]
            end = log.end(self.now)
            if each.position < end:
                self._take(tp, each, min(end, each.position + BATCH_RECORDS))
                each.ended = each.position >= end
                self._look(each, at_end=False)
            elif not each.ended or each.in_flight or self.now - each.looked_at >= QUIET:
                each.ended = True
                self._look(each, at_end=not each.in_flight)

    def _look(self, each: _Input, *, at_end: bool) -> None:
        each.looked_at = self.now
        each.progress.answered(self.now, at_end=at_end)

    def _take(self, tp: TopicPartition, each: _Input, before: int) -> None:
        batch = _Batch(self.generation, before, [], each.ended, 0)
        outgoing: dict[int, list[tuple[str, bytes]]] = defaultdict(list)
        for offset in range(each.position, before):
            sent = self.group.sent[Origin(*tp, offset)]
            if sent.captured_at - self.now > MAX_CLOCK_SKEW:
                self.group.dead.add(Origin(*tp, offset))
                continue
            batch.heard.append(Heard(sent.source, sent.captured_at))
            value = self.group.features(sent.tp, offset)
            outgoing[self.group.home_of(sent.unit_id)].append((sent.unit_id, value))
            batch.on_its_way += 1
        each.position = before
        each.in_flight.append(batch)
        inside = self._rng.choice([5, 20, 100, 100, 1_500])
        self.group.clockwork.after(inside, lambda: self._publish(each, batch, outgoing))

    def _publish(
        self, each: _Input, batch: _Batch, outgoing: dict[int, list[tuple[str, bytes]]]
    ) -> None:
        if self.frozen:
            self.group.clockwork.after(SECOND, lambda: self._publish(each, batch, outgoing))
            return
        if not self.alive or self.replaced or batch.generation != self.generation:
            return

        def confirmed() -> None:
            batch.on_its_way -= 1
            self._confirm(each)

        for home, records in outgoing.items():
            for unit_id, value in records:
                self._channels[home].send(unit_id.encode(), value, confirmed)
        self._confirm(each)

    def _confirm(self, each: _Input) -> None:
        """Counts batches as done, in their order; not those of a generation that is over."""
        while each.in_flight and not each.in_flight[0].on_its_way:
            batch = each.in_flight.popleft()
            if batch.generation == self.generation:
                each.progress.confirmed(batch.next_offset, batch.heard, live=batch.live)

    # -- time ---------------------------------------------------------------------------------

    def _mark(self) -> None:
        if self.generation < 0 or self.replaced:
            return
        inputs = [each.progress for each in self.inputs.values()]
        value = encode_mark(make_mark(self.name, self.generation, self.counts, inputs))
        for home, channel in enumerate(self._channels):
            if home not in self._marking:
                self._marking.add(home)
                channel.send(None, value, partial(self._marking.discard, home))

    def _look_for_partitions(self) -> None:
        if not self.group.broker.answers(self.now):
            return
        counts = self.group.broker.partition_counts(self.now)
        if counts != self.counts:
            self.counts = counts
            self.group.rebalance()

    def _repeat(self, every: int, action: Callable[[], None]) -> None:
        def again() -> None:
            if self.running:
                action()
            if self.alive:
                self.group.clockwork.after(every, again)

        self.group.clockwork.after(self._rng.randrange(every), again)
