"""The watermark of one home partition: how far event time has come, from marks alone.

A mark says how far the input partitions are that one extract worker reads (`schemas.mark`). Time
stands still until every partition of every input topic of the line has been listed; then it is the
minimum over the partitions that are awake, less `max_out_of_orderness`, and it never goes back.
Where none is awake it follows the largest of their clocks.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from agents.join.arrival import BEGINNING
from agents.wrong_clocks import wrong_clocks
from schemas.feature_record import Origin
from schemas.mark import Mark, SourceProgress

UNSPOKEN_AFTER = 5
"""A partition is unspoken for after so many marks in succession of some worker without it."""
AWAITED_FOR = 30_000
"""How long a partition is awaited whose new owner does not know its event time, ms."""

Partition = tuple[str, int]


@dataclass(slots=True)
class _Source:
    """What is known of one input partition."""

    said: SourceProgress
    generation: int
    since: int
    """Offset of the oldest mark that what is known rests on."""
    clock: int | None
    """The last event time that was known, ms."""
    clock_at: int
    """When it was said: the time of its mark, ms."""
    lost_at: int | None
    """When the first mark came that did not know it any more, ms."""
    partitions: Mapping[str, int]
    """How many partitions each topic has, by the mark that said it."""
    without: dict[str, int] = field(default_factory=dict)
    """By worker: its marks in succession that have come without the partition."""

    @property
    def unspoken(self) -> bool:
        return max(self.without.values(), default=0) >= UNSPOKEN_AFTER

    def at(self, now: int) -> int | None:
        """Returns its clock; one whose event time has been lost goes on by itself."""
        if self.clock is None or self.lost_at is None:
            return self.clock
        return self.clock + now - self.clock_at

    def awake(self, now: int) -> bool:
        if self.lost_at is not None and now - self.lost_at >= AWAITED_FOR:
            return False
        return self.said.awake or self.lost_at is not None


class Watermark:
    """Follows the marks on one home partition.

    Args:
        topics: the input topics of the line; what marks say of others is ignored.
        max_out_of_orderness: how far behind the newest an observation may come on time, ms.
        max_source_lag: how far behind the median of the others the clock of a partition may be
            that has been read to its end, ms.
        value: where event time has come already, ms.

    Attributes:
        value: no observation older than this is expected any more, ms.
        wrong_clocks: partitions whose clock is wrong, so that they hold nobody.
    """

    def __init__(
        self,
        topics: Collection[str],
        *,
        max_out_of_orderness: int,
        max_source_lag: int,
        value: int = BEGINNING,
    ) -> None:
        self.value = value
        self.wrong_clocks: frozenset[Partition] = frozenset()
        self._topics = frozenset(topics)
        self._lag = max_out_of_orderness
        self._max_source_lag = max_source_lag
        self._sources: dict[Partition, _Source] = {}
        self._counts: dict[str, int] = {}
        self._now = BEGINNING

    def take(self, mark: Mark, offset: int, at: int, *, moves: bool = True) -> None:
        """Takes note of a mark, in the order of their offsets.

        Args:
            offset: where the mark lies in the home partition.
            at: the time of its record, ms; only differences count, and it never goes back.
            moves: False for a mark that the last owner has taken already: then what is known
                comes back, and time stays where it was.
        """
        self._now = max(self._now, at)
        listed = {
            (said.topic, said.partition)
            for said in mark.sources
            if said.topic in self._topics and self._accept(said, mark, offset)
        }
        for partition, source in self._sources.items():
            if partition not in listed:
                source.without[mark.worker] = source.without.get(mark.worker, 0) + 1
        self._counts = self._count()
        self._sources = {p: s for p, s in self._sources.items() if not self._is_gone(p, s)}
        if moves and (reached := self._reached()) is not None:
            self.value = max(self.value, reached - self._lag)

    def vouched(self, origin: Origin) -> bool:
        """Whether a mark has said that what lay at `origin` has had its effect."""
        source = self._sources.get((origin.topic, origin.partition))
        return source is not None and origin.offset < source.said.next_offset

    @property
    def oldest(self) -> int | None:
        """The offset of the oldest mark that still counts; None: none has come."""
        return min((source.since for source in self._sources.values()), default=None)

    def holding(self) -> Iterator[str]:
        """Names what holds event time back, for a log: partitions that have not been listed or
        are unspoken for, else those with the smallest clock."""
        waiting = [f"{t}[{p}]" for t, p in self._required() if self._stands_still((t, p))]
        if waiting or not self._sources:
            yield from waiting or self._topics - self._counts.keys()
            return
        clocks = {
            p: s.at(self._now)
            for p, s in self._sources.items()
            if s.awake(self._now) and p not in self.wrong_clocks
        }
        known = [clock for clock in clocks.values() if clock is not None]
        for (topic, number), clock in clocks.items():
            if clock is not None and clock == min(known):
                yield f"{topic}[{number}]"

    # -- what marks say ---------------------------------------------------------------------

    def _accept(self, said: SourceProgress, mark: Mark, offset: int) -> bool:
        """Whether what a mark says of one partition counts; then it replaces what was known."""
        known = self._sources.get((said.topic, said.partition))
        if known is not None and not known.unspoken:
            last = (known.generation, known.said.next_offset)
            if (mark.generation, said.next_offset) < last:
                return False
        since, clock, clock_at, lost_at = offset, said.event_time, self._now, None
        if clock is None and known is not None and known.clock is not None:
            # The new owner does not know how far it was: what was known goes on by itself.
            since, clock, clock_at = known.since, known.clock, known.clock_at
            lost_at = known.lost_at if known.lost_at is not None else self._now
        self._sources[said.topic, said.partition] = _Source(
            said, mark.generation, since, clock, clock_at, lost_at, mark.partitions
        )
        return True

    def _count(self) -> dict[str, int]:
        """Returns how many partitions each topic has, by all that is spoken for."""
        spoken_for = [each.partitions for each in self._sources.values() if not each.unspoken]
        counts: dict[str, int] = {}
        for said in {id(each): each for each in spoken_for}.values():  # one mark says it of many
            for topic in self._topics & said.keys():
                counts[topic] = max(said[topic], counts.get(topic, 0))
        return counts

    def _is_gone(self, partition: Partition, source: _Source) -> bool:
        """Whether there is no such partition any more: its topic was made anew with fewer."""
        topic, number = partition
        return source.unspoken and topic in self._counts and number >= self._counts[topic]

    # -- what follows -----------------------------------------------------------------------

    def _required(self) -> Iterator[Partition]:
        for topic in self._topics:
            for number in range(self._counts.get(topic, 0)):
                yield topic, number

    def _stands_still(self, partition: Partition) -> bool:
        """Whether time stands still because of this partition."""
        source = self._sources.get(partition)
        if source is None or source.unspoken:
            return True
        said = source.said
        return said.event_time is None and (said.awake or not said.at_end)

    def _reached(self) -> int | None:
        """Returns how far event time has come; None where it stands still."""
        now = self._now
        if not self._topics <= self._counts.keys() or not all(self._counts.values()):
            return None
        if any(map(self._stands_still, {*self._required(), *self._sources})):
            return None
        clocks = [
            (clock, partition, source)
            for partition, source in self._sources.items()
            if (clock := source.at(now)) is not None
        ]
        clocks.sort(key=lambda item: item[:2])
        lagging = wrong_clocks([clock for clock, _, _ in clocks], self._max_source_lag)
        # Behind without being at its end, a partition has a backlog.
        self.wrong_clocks = frozenset(p for _, p, s in clocks[:lagging] if s.said.at_end)
        awake = [c for c, p, s in clocks if s.awake(now) and p not in self.wrong_clocks]
        if awake:
            return awake[0]
        return clocks[-1][0] if clocks else None
