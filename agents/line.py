"""A whole line without a broker, under virtual time: it takes the very steps that workers run.

One worker of each stage that keeps up: its wall clock is the time that the raw records bear, so
that nothing here depends on how fast, or in how large batches, they are handed in.

    extracted = extract(steps, records)              # may run ahead, or elsewhere
    passed, letters = inputs.pass_on(records, extracted)
    decided = homes.step(passed)
    ...
    decided = homes.step(inputs.finish())
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from agents.decide.step import DecideStep, StartingPoint, step_together
from agents.extract.clocks import ClockConfig
from agents.extract.progress import MAX_ANSWER, InputProgress, make_mark
from agents.extract.step import Extracted, ExtractStep
from schemas.mark import encode_mark
from schemas.record import Outgoing, Record, TopicPartition

DAY = 86_400_000
"""Silence after which every passage of any line has been retired, ms."""


def extract(steps: Mapping[str, ExtractStep], records: Sequence[Record]) -> list[Extracted]:
    """Returns what comes of each raw record, in order.

    Args:
        steps: by input topic.
    """
    places: dict[str, list[int]] = defaultdict(list)
    for place, record in enumerate(records):
        places[record.topic].append(place)
    found: dict[int, Extracted] = {}
    for topic, of_topic in places.items():
        some = steps[topic].step([records[place] for place in of_topic], None)
        found.update(zip(of_topic, some, strict=True))
    return [found[place] for place in range(len(records))]


class Inputs:
    """How far the extract stage is, and what it passes on to the decide stage.

    Args:
        features_topic: what passes from one stage to the other.
        partitions: the partition count of each input topic.
        homes: H, the number of home partitions.
        clocks: how long silent stations count.
        mark_interval: ms between two marks; the broker answers as often, at least once a second.
    """

    def __init__(
        self,
        features_topic: str,
        partitions: Mapping[str, int],
        homes: int,
        clocks: ClockConfig,
        mark_interval: int = MAX_ANSWER,
    ) -> None:
        self._topic = features_topic
        self._partitions = dict(partitions)
        self._next_offsets = [0] * homes
        self._inputs = {
            TopicPartition(topic, number): InputProgress(topic, number, 0, clocks)
            for topic, count in partitions.items()
            for number in range(count)
        }
        self._interval = min(mark_interval, MAX_ANSWER)
        self._silence = 2 * clocks.live_for + clocks.idle_timeout
        """After so long no station counts any more, ms."""
        self._now = -1
        self._heard_at = -1
        self._mark_at: int | None = None

    def pass_on(
        self, records: Sequence[Record], extracted: Sequence[Extracted]
    ) -> tuple[list[Record], list[Outgoing]]:
        """Takes note of raw records, in the order of their time; returns the records of the
        features topic, marks among them, and the dead letters."""
        passed: list[Record] = []
        letters: list[Outgoing] = []
        for record, item in zip(records, extracted, strict=True):
            passed += self._until(record.timestamp)
            self._heard_at = self._now
            out = item.outgoing
            if out.topic == self._topic and out.partition is not None:
                passed.append(self._record(out.partition, out.key, out.value))
            else:
                letters.append(out)
            progress = self._inputs[record.tp]
            progress.answered(self._now, at_end=True)
            heard = () if item.heard is None else (item.heard,)
            progress.confirmed(record.offset + 1, heard, live=True)
        return passed, letters

    def finish(self) -> list[Record]:
        """Returns the marks of a silence that is longer than any passage lasts."""
        return self._until(self._now + DAY)

    def _until(self, time: int) -> list[Record]:
        """Lets time go on, and returns the marks that are sent meanwhile."""
        marks: list[Record] = []
        if self._mark_at is None:
            self._mark_at = time + self._interval
        while self._mark_at <= time:
            ahead = (time - self._mark_at) // self._interval * self._interval
            if ahead and self._mark_at > self._heard_at + self._silence:
                # Nothing happens any more but that the clocks go on: they may as well at once.
                for progress in self._inputs.values():
                    progress.clocks.answered(ahead + self._interval)
                self._mark_at += ahead
            self._now = self._mark_at
            self._mark_at += self._interval
            for progress in self._inputs.values():
                progress.answered(self._now, at_end=True)
            value = encode_mark(make_mark("line", 0, self._partitions, self._inputs.values()))
            homes = range(len(self._next_offsets))
            marks += [self._record(home, None, value) for home in homes]
        self._now = max(self._now, time)
        return marks

    def _record(self, home: int, key: bytes | None, value: bytes | None) -> Record:
        offset = self._next_offsets[home]
        self._next_offsets[home] += 1
        return Record(self._topic, home, offset, self._now, key, value)


class Homes:
    """The decide stage of some home partitions.

    Args:
        decide: makes the step of a home partition.
        homes: their numbers.
    """

    def __init__(
        self, decide: Callable[[StartingPoint | None], DecideStep], homes: Iterable[int]
    ) -> None:
        self._steps = {home: decide(None) for home in homes}

    def step(self, records: Sequence[Record], now: int = 0) -> list[tuple[int, Outgoing]]:
        """Takes records of the features topic, of each home in the order of their offsets; returns
        what leaves the line, of each home in order, and which home it is.

        Args:
            now: the wall clock, ms since 1970 UTC: only for what decisions say of themselves.
        """
        if not records:
            return []
        of_home: dict[int, list[Record]] = defaultdict(list)
        for record in records:
            of_home[record.partition].append(record)
        effects = step_together(
            [(self._steps[home], fresh) for home, fresh in of_home.items()], now
        )
        for home, fresh in of_home.items():
            self._steps[home].starting_point(fresh[-1].offset)  # nobody asks for an earlier one
        return [
            (home, out) for home, of in zip(of_home, effects, strict=True) for out in of.outgoing
        ]

    @property
    def reached(self) -> dict[int, int]:
        """The watermark of each home partition, ms."""
        return {home: step.watermark.value for home, step in self._steps.items()}
