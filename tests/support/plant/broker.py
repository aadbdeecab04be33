"""The broker: logs with the times at which their records were appended, and its outages."""

from bisect import bisect_right
from dataclasses import dataclass, field

from schemas.record import Record, TopicPartition
from support.plant.scenario import Scenario


@dataclass(slots=True)
class Log:
    """One partition. The broker stamps records as they come (LogAppendTime)."""

    tp: TopicPartition
    records: list[Record] = field(default_factory=list)
    times: list[int] = field(default_factory=list)

    def append(self, at: int, key: bytes | None, value: bytes | None) -> Record:
        at = max(at, self.times[-1]) if self.times else at
        record = Record(self.tp.topic, self.tp.partition, len(self.records), at, key, value)
        self.records.append(record)
        self.times.append(at)
        return record

    def end(self, now: int) -> int:
        """Returns the high watermark."""
        return bisect_right(self.times, now)


class Broker:
    """Input topics, and one log a home partition.

    Attributes:
        answering: nothing is read, written or committed otherwise.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.inputs: dict[TopicPartition, Log] = {}
        self.homes = [Log(TopicPartition("units.features", n)) for n in range(scenario.homes)]
        for topic, partitions in scenario.partitions.items():
            most = max([partitions, *(g.partitions for g in scenario.growths if g.topic == topic)])
            for number in range(most):
                tp = TopicPartition(topic, number)
                self.inputs[tp] = Log(tp)

    def partition_counts(self, now: int) -> dict[str, int]:
        counts = dict(self.scenario.partitions)
        for growth in self.scenario.growths:
            if growth.at <= now:
                counts[growth.topic] = max(counts[growth.topic], growth.partitions)
        return counts

    def answers(self, now: int) -> bool:
        return self.back_at(now) == now

    def back_at(self, now: int) -> int:
        """Returns when the broker answers next."""
        for since, until in self.scenario.outages:
            if since <= now < until:
                return until
        return now

    def answering_time(self, now: int) -> int:
        """Returns `now` less all time in which the broker was away."""
        away = sum(min(until, now) - since for since, until in self.scenario.outages if since < now)
        return now - away
