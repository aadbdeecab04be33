"""Which observations are entitled to be on time: those that an ideal line would have on time.

The ideal line keeps one clock a station and partition, which goes on while the broker answers. It
knows a clock at the moment at which the broker has the observation, but awaits it only from
`slack` later on: until then a real line may not know of it. A station is awaited for window and
grace after it was heard live, for `idle_timeout` after it was heard out of a backlog (while its
partition had no owner that worked), and not at all where its clock, or that of another station on
its partition, is so far behind that it is taken for wrong. Its time is the least of the awaited
clocks, else the largest of all, less `max_out_of_orderness`, and never goes back.

An observation is entitled if, of all that came before it and of what other partitions bring
within the slack after it, the ideal line would not have retired its passage.

The slack is a mark's interval and its way. It is longer while the partition has no owner that
works, which a line notices after five marks of others, and for a partition that is new, which
workers look for every ten seconds. There is none before the first worker has come.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from schemas.record import TopicPartition
from support.plant.broker import Broker
from support.plant.scenario import MAX_SOURCE_LAG, METADATA_AGE, SECOND, SESSION_TIMEOUT, Scenario
from support.plant.stations import Sent

Pair = tuple[str, TopicPartition]
MARGIN = 10 * SECOND
"""A clock this near to `max_source_lag` may be taken for a wrong one."""
COUNTS = 2 * SECOND
"""A station may stop counting so much earlier."""
AROUND = 2 * SECOND
"""Trouble begins to be felt before, and its backlog is read after."""


class _Clock(NamedTuple):
    """Of a station on a partition; times are answering time."""

    ahead: int
    """Of answering time."""
    since: int
    """From when it is awaited."""
    until: int


@dataclass(slots=True)
class _Ideal:
    """The clocks, and how far time has come."""

    out_of_orderness: int
    shared: bool
    """Whether a wrong clock is that of its whole partition."""
    clocks: dict[Pair, _Clock] = field(default_factory=dict)
    reached: int | None = None
    _at: int = 0

    def heard(self, pair: Pair, ahead: int, now: int, slack: int, lasts: int) -> None:
        known = self.clocks.get(pair)
        since, until = now + slack, now + lasts - COUNTS
        if known is not None:
            ahead = max(ahead, known.ahead)
            if known.until >= now:
                since, until = min(known.since, since), max(known.until, until)
        self.clocks[pair] = _Clock(ahead, since, until)

    def go_on(self, now: int) -> None:
        """Lets time come as far as it may."""
        sinces = {clock.since - 1 for clock in self.clocks.values()}
        for at in sorted({now, *(each for each in sinces if self._at < each < now)}):
            self.reached = _later(self.reached, self._time(at))
        self._at = now

    def _time(self, now: int) -> int | None:
        if not self.clocks:
            return None
        largest = max(clock.ahead for clock in self.clocks.values())
        behind = largest - MAX_SOURCE_LAG + MARGIN
        wrong = {tp for (_, tp), clock in self.clocks.items() if clock.ahead <= behind}
        awaited = [
            clock.ahead
            for (_, tp), clock in self.clocks.items()
            if clock.since <= now < clock.until
            and clock.ahead > behind
            and not (self.shared and tp in wrong)
        ]
        return min(awaited, default=largest) + now - self.out_of_orderness


def entitled(
    scenario: Scenario,
    broker: Broker,
    sent: list[Sent],
    troubles: list[tuple[int, int]],
    started: int,
    *,
    at_once: bool = False,
) -> Iterator[bool]:
    """Yields of each observation that is no dead letter, in the order of appending, whether it is
    entitled.

    Args:
        troubles: from, until: when some partition had no owner that works.
        started: when the first worker was assigned its partitions.
        at_once: for comparison, of a line that awaits a station from the moment at which it
            speaks, for window and grace whatever happens, also beside another's wrong clock.
    """
    ideal = _Ideal(scenario.out_of_orderness, shared=not at_once)
    # What was on its way when an outage began is so when it ends.
    felt = [(broker.answering_time(a), broker.answering_time(b)) for a, b in troubles]
    for index, one in enumerate(sent):
        now = broker.answering_time(one.appended_at)
        ideal.go_on(now)
        troubled = any(since - AROUND <= now <= until + AROUND for since, until in felt)
        slack = _slack(scenario, one, troubled)
        lasts = scenario.idle_timeout if troubled else scenario.stay
        if one.appended_at < started:  # time stands still until all of this is known of
            slack, lasts = 0, started - one.appended_at + scenario.idle_timeout
        elif at_once:
            slack, lasts = 0, scenario.stay
        bound = _within(ideal, broker, sent, index, one.appended_at + slack)
        yield bound is None or one.captured_at + scenario.stay > bound
        ideal.heard((one.source, one.tp), one.captured_at - now, now, slack, lasts)


def _within(ideal: _Ideal, broker: Broker, sent: list[Sent], index: int, until: int) -> int | None:
    """Returns how far the ideal line comes by then that hears nothing more of this partition."""
    one = sent[index]
    ahead = replace(ideal, clocks=dict(ideal.clocks))
    for other in sent[index + 1 :]:
        if other.appended_at > until:
            break
        now = broker.answering_time(other.appended_at)
        ahead.go_on(now)
        if other.tp != one.tp:
            # It only matters how far its clock is: nothing makes the line wait sooner.
            ahead.heard((other.source, other.tp), other.captured_at - now, now, until - now, 0)
    ahead.go_on(broker.answering_time(until))
    return ahead.reached


def _slack(scenario: Scenario, one: Sent, troubled: bool) -> int:
    at = one.appended_at
    slack = 2 * SECOND + scenario.tick + 3 * scenario.latency
    if troubled:
        slack += SESSION_TIMEOUT + 2 * SECOND
    for growth in scenario.growths:
        new = one.tp.topic == growth.topic and one.tp.partition < growth.partitions
        if new and growth.at <= at < growth.at + METADATA_AGE + 10 * SECOND:
            slack += METADATA_AGE + 5 * SECOND
    return slack


def _later(one: int | None, other: int | None) -> int | None:
    return max((each for each in (one, other) if each is not None), default=None)
