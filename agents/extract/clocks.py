"""The clocks of the stations that speak on one input partition, and the event time they give.

A station's clock is the largest `captured_at` that it has sent. While it is silent its clock goes
on at the rate of *answered* time: time in which the broker answered that there is nothing more.
Nothing here looks at a clock; whoever reads the partition says how much time was answered.
"""

from dataclasses import dataclass
from typing import NamedTuple

from agents.wrong_clocks import wrong_clocks

MAX_STATIONS = 1_000
"""Stations that are told apart on one partition; beyond it the longest silent one is forgotten."""
CARRIED = ""
"""Stands for the stations that the last owner heard; no station has that name."""


@dataclass(frozen=True, slots=True)
class ClockConfig:
    """How long a silent station counts, in ms of answered time, and when its clock is wrong."""

    live_for: int
    """Window and grace: for so long a station counts that was heard live."""
    idle_timeout: int
    """For so long any other counts."""
    max_source_lag: int
    """A station this far behind the median of the others has a wrong clock, ms."""


class Carried(NamedTuple):
    """What the next owner of a partition must know of its clocks."""

    event_time: int
    """How far event time had come, ms."""
    awake: bool
    """Whether a station counted, or the partition was not at its end."""
    largest: int
    """The largest clock, ms: it is the event time once no station counts any more."""


@dataclass(slots=True)
class _Station:
    ahead: int
    """Its clock less the partition's answered time, ms: constant while it is silent."""
    counts_until: int
    """The answered time at which it stops counting, ms."""
    largest: int
    """The largest `captured_at` heard, ms."""


class StationClocks:
    """The stations of one input partition.

    Args:
        carried: what the last owner left behind: where the partition was awake, its event time
            counts as one more station, which was heard just now.
    """

    def __init__(self, config: ClockConfig, carried: Carried | None = None) -> None:
        self._config = config
        self._answered = 0
        self._stations: dict[str, _Station] = {}
        self._silent: int | None = None
        """The largest `ahead` of those that do not count any more."""
        self.wrong: frozenset[str] = frozenset()
        """Stations whose clock is wrong, as of the last `event_time` at the partition's end: there
        they hold nobody."""
        if carried is not None:
            self._silent = carried.largest
            if carried.awake:
                least = carried.event_time
                self._stations[CARRIED] = _Station(least, config.live_for, least)

    def heard(self, source: str, captured_at: int, *, live: bool) -> None:
        """Takes note of an observation.

        Args:
            source: the station.
            captured_at: event time, ms since 1970 UTC.
            live: the partition had been read to its end before this came.
        """
        known = self._stations.pop(source, None)  # back in at the end: the dict is in that order
        largest = captured_at if known is None else max(captured_at, known.largest)
        lasts = self._config.live_for if live else self._config.idle_timeout
        until = self._answered + lasts
        if known is not None:
            until = max(until, known.counts_until)
        elif len(self._stations) >= MAX_STATIONS:
            self._forget(next(iter(self._stations)))
        self._stations[source] = _Station(largest - self._answered, until, largest)
        if live and (carried := self._stations.get(CARRIED)) is not None:
            # Its stations speak for themselves again; what the take-over took is not made up for.
            latest = self._answered + self._config.idle_timeout
            carried.counts_until = min(carried.counts_until, latest)

    def answered(self, elapsed: int) -> None:
        """The broker has answered for `elapsed` ms that there is nothing more."""
        self._answered += elapsed

    def event_time(self, *, at_end: bool) -> tuple[int | None, bool]:
        """Returns how far event time has come (ms; None: nothing is known), and whether the
        partition is awake, so that the line waits for it.

        Args:
            at_end: everything that the broker holds of the partition has been read.
        """
        for source, station in list(self._stations.items()):
            if station.counts_until <= self._answered:
                self._forget(source)
        if not self._stations:
            self.wrong = frozenset()
            return (None if self._silent is None else self._silent + self._answered), not at_end
        counting = sorted(self._stations.items(), key=lambda item: item[1].ahead)
        # Behind at the end of the partition there is no backlog to wait for: the clock is wrong.
        late = 0
        if at_end:
            late = wrong_clocks([s.ahead for _, s in counting], self._config.max_source_lag)
            self.wrong = frozenset(source for source, _ in counting[:late] if source != CARRIED)
        return counting[late][1].ahead + self._answered, True

    def carry(self, *, at_end: bool) -> Carried | None:
        """Returns what the next owner must know; None: nothing is known."""
        event_time, awake = self.event_time(at_end=at_end)
        if event_time is None:
            return None
        clocks = [station.ahead for station in self._stations.values()]
        if self._silent is not None:
            clocks.append(self._silent)
        return Carried(event_time, awake, max(clocks) + self._answered)

    def _forget(self, source: str) -> None:
        ahead = self._stations.pop(source).ahead
        self._silent = ahead if self._silent is None else max(ahead, self._silent)
