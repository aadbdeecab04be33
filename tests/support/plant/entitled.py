"""Which observations are entitled to be on time: those that an ideal line would have on time.

The ideal line knows each observation at the moment at which the broker has it. It keeps one clock
a station and partition, which goes on while the broker answers; it awaits a station for window and
grace after it was heard, unless its clock is wrong; its time is the least of the awaited clocks,
else the largest of all, less `max_out_of_orderness`, and never goes back. An observation is
entitled if, of all that came before it and what other partitions bring within `slack` after it,
the ideal line would not have retired its passage.

The slack is how long a real line cannot know of it: until a mark has been made (one a second) and
has come. It is longer while the partition has no owner that works, since a line notices that after
five marks of others, and for a partition that is new, which workers look for every ten seconds.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from schemas.record import TopicPartition
from support.plant.broker import Broker
from support.plant.scenario import MAX_SOURCE_LAG, METADATA_AGE, SECOND, SESSION_TIMEOUT, Scenario
from support.plant.stations import Sent

Pair = tuple[str, TopicPartition]
MARGIN = 10 * SECOND
"""A clock this near to `max_source_lag` may be taken for a wrong one."""
COUNTS = 2 * SECOND
"""A station may stop counting so much earlier."""


@dataclass(slots=True)
class _Ideal:
    """The clocks at one moment of answering time."""

    stay: int
    out_of_orderness: int
    clocks: dict[Pair, tuple[int, int]] = field(default_factory=dict)
    """How far ahead of answering time, and until when it is awaited."""

    def heard(self, pair: Pair, captured_at: int, now: int) -> None:
        ahead = captured_at - now
        if pair in self.clocks:
            ahead = max(ahead, self.clocks[pair][0])
        self.clocks[pair] = ahead, now + self.stay - COUNTS

    def time(self, now: int) -> int | None:
        """Returns the latest to which event time may have come."""
        if not self.clocks:
            return None
        largest = max(ahead for ahead, _ in self.clocks.values())
        awaited = [
            ahead
            for ahead, until in self.clocks.values()
            if until > now and ahead > largest - MAX_SOURCE_LAG + MARGIN
        ]
        return min(awaited, default=largest) + now - self.out_of_orderness


def entitled(
    scenario: Scenario, broker: Broker, sent: list[Sent], troubles: list[tuple[int, int]]
) -> Iterator[bool]:
    """Yields of each observation that is no dead letter, in the order of appending, whether it is
    entitled.

    Args:
        troubles: from, until: when some partition had no owner that works.
    """
    ideal = _Ideal(scenario.stay, scenario.out_of_orderness)
    reached: int | None = None
    for index, one in enumerate(sent):
        now = broker.answering_time(one.appended_at)
        came = ideal.time(now)
        reached = _later(reached, came)
        until = one.appended_at + _slack(scenario, one, troubles)
        bound = _later(reached, _within(ideal, broker, sent, index, until))
        yield bound is None or one.captured_at + scenario.stay > bound
        ideal.heard((one.source, one.tp), one.captured_at, now)


def _within(ideal: _Ideal, broker: Broker, sent: list[Sent], index: int, until: int) -> int | None:
    """Returns how far the ideal line comes that hears nothing more of this partition."""
    one = sent[index]
    ahead = _Ideal(ideal.stay, ideal.out_of_orderness, dict(ideal.clocks))
    reached = None
    for other in sent[index + 1 :]:
        if other.appended_at > until:
            break
        now = broker.answering_time(other.appended_at)
        reached = _later(reached, ahead.time(now))
        if other.tp != one.tp:
            ahead.heard((other.source, other.tp), other.captured_at, now)
    return _later(reached, ahead.time(broker.answering_time(until)))


def _slack(scenario: Scenario, one: Sent, troubles: list[tuple[int, int]]) -> int:
    at = one.appended_at
    slack = 2 * SECOND + scenario.tick + 3 * scenario.latency
    if any(since - 2 * SECOND <= at <= until + 2 * SECOND for since, until in troubles):
        slack += SESSION_TIMEOUT + 2 * SECOND
    for growth in scenario.growths:
        new = one.tp.topic == growth.topic and one.tp.partition < growth.partitions
        if new and growth.at <= at < growth.at + METADATA_AGE + 10 * SECOND:
            slack += METADATA_AGE + 5 * SECOND
    return slack


def _later(one: int | None, other: int | None) -> int | None:
    return max((each for each in (one, other) if each is not None), default=None)
