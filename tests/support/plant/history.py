"""How one home partition was decided: without interruption, and by workers that come and go."""

from dataclasses import dataclass, field
from random import Random

from agents.decide.step import DecideStep, StartingPoint
from agents.frontier import Frontier
from schemas import headers
from schemas.decision import Decision
from schemas.feature_record import Origin
from schemas.record import Headers, Outgoing
from support.plant.broker import Log
from support.plant.line import LATE, make_step
from support.plant.scenario import MAX_CLOCK_SKEW, SECOND, Scenario


@dataclass(slots=True)
class History:
    """What was published for one home partition, in order."""

    decisions: list[tuple[int, Decision]] = field(default_factory=list)
    """When, ms, and what."""
    late: list[Origin] = field(default_factory=list)
    repeats: int = 0


class Uninterrupted:
    """Decides each record as it comes."""

    def __init__(self, scenario: Scenario, log: Log) -> None:
        self.step = make_step(scenario)
        self.history = History()
        self.finished: set[int] = set()
        self._log = log
        self._next = 0

    def catch_up(self) -> None:
        while self._next < len(self._log.records):
            record = self._log.records[self._next]
            self._next += 1
            effects = self.step.step([record], record.timestamp)
            self.history.decisions += [(record.timestamp, each) for each in effects.decisions]
            self.history.late += [_origin(o.headers) for o in effects.outgoing if o.topic == LATE]
            self.history.repeats += effects.repeats
            self.finished.update(effects.finished)


class Interrupted:
    """Decides a whole log with other batches; crashes lose all but commits and what is published.

    Attributes:
        takeovers: how often another worker went on.
    """

    def __init__(self, scenario: Scenario, log: Log, rng: Random) -> None:
        self.history = History()
        self.takeovers = 0
        self._scenario = scenario
        self._log = log
        self._rng = rng
        self._committed: tuple[int, str] = (0, "")
        self._now = 0
        self._wandering: list[Decision] = []
        """Decisions of workers that crashed, which are still on their way."""

    def run(self) -> History:
        crashes = self._rng.choice([1, 2, 4])
        length = len(self._log.records)
        stops = sorted(self._rng.randrange(length + 1) for _ in range(crashes)) if length else []
        for stop in stops:
            self._go_on(stop, crash=self._rng.random() < 0.7)
            self.takeovers += 1
            self._now += self._rng.choice([0, 1, 10, 60]) * SECOND
        self._go_on(length, crash=False)
        return self.history

    def _go_on(self, stop: int, *, crash: bool) -> None:
        """One worker, from what is committed until it has taken in `stop` records at least."""
        position, metadata = self._committed
        start = StartingPoint.read(metadata)
        step = make_step(self._scenario, start)
        self._restore(step, start, position)
        self._publish_wandering()
        frontier = Frontier(position)
        last_commit = self._now
        while position < stop:
            size = self._rng.choice([1, 1, 3, 20, 200])
            batch = self._log.records[position : min(position + size, stop)]
            position += len(batch)
            self._now = max(self._now, batch[-1].timestamp) + self._rng.randrange(50)
            frontier.deliver(record.offset for record in batch)
            effects = step.step(batch, self._now)
            if crash and position >= stop and self._rng.random() < 0.7:
                self._break_off(effects.decisions, effects.outgoing)
                return
            self._publish(effects.decisions)
            self.history.late += [_origin(o.headers) for o in effects.outgoing if o.topic == LATE]
            self.history.repeats += effects.repeats
            frontier.finish(effects.finished)
            if self._now - last_commit >= self._scenario.commit_interval:
                self._commit(step, frontier)
                last_commit = self._now
        if not crash:
            self._commit(step, frontier)

    def _break_off(self, decisions: list[Decision], outgoing: list[Outgoing]) -> None:
        """Only some of what was to be published is; some of the rest comes later."""
        done = self._rng.randint(0, len(decisions))
        self._publish(decisions[:done])
        on_its_way = self._rng.randint(done, len(decisions))
        self._wandering = decisions[done:on_its_way]
        late = [_origin(each.headers) for each in outgoing if each.topic == LATE]
        self.history.late += late[: self._rng.randint(0, len(late))]

    def _publish_wandering(self) -> None:
        self._publish(self._wandering)
        self._wandering = []

    def _publish(self, decisions: list[Decision]) -> None:
        self.history.decisions += [(self._now, each) for each in decisions]

    def _commit(self, step: DecideStep, frontier: Frontier) -> None:
        offset = frontier.committable()
        if offset is not None:
            self._committed = offset, str(step.starting_point(offset) or "")
            frontier.committed(offset)

    def _restore(self, step: DecideStep, start: StartingPoint | None, first: int) -> None:
        """As `_Home` and `TopicMemory` do."""
        records = self._log.records
        if start is not None:
            for record in records[start.oldest_mark : first]:
                step.restore_mark(record)
        written = records[first].timestamp if first < len(records) else self._now
        horizon = 2 * self._scenario.window + self._scenario.grace + MAX_CLOCK_SKEW
        since = min(written, self._now) - horizon
        for at, decision in self.history.decisions:
            if at >= since:
                step.restore(decision)


def _origin(of_letter: Headers) -> Origin:
    topic, partition, offset = dict(of_letter)[headers.ORIGIN].decode().split("/")
    return Origin(topic, int(partition), int(offset))
