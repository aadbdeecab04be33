"""A whole line without a broker: raw records in; decisions, late and dead letters out.

It composes the very steps that workers run, one worker of each stage, under virtual time: whoever
feeds it says what time it is. Tests use it, and whatever replays a recording.

    line = Line(extract_steps, make_decide_step, partitions={"units.visual": 1, ...}, ...)
    decisions = line.feed(records, now=...) + line.mark(now=...) + line.finish(now=...)
"""

from collections.abc import Callable, Mapping, Sequence

from agents.decide.step import DecideStep, Effects, StartingPoint
from agents.extract.clocks import ClockConfig
from agents.extract.progress import InputProgress, make_mark
from agents.extract.step import ExtractStep
from schemas.mark import encode_mark
from schemas.record import Outgoing, Record, TopicPartition

SECOND = 1_000


class Line:
    """One worker of each stage.

    Args:
        extract: by input topic.
        decide: makes the step of a home partition.
        features_topic: what passes from one stage to the other.
        partitions: the partition count of each input topic.
        homes: H, the number of home partitions.
        clocks: how long silent stations count.

    Attributes:
        features: by home partition, the records that passed between the stages.
    """

    def __init__(
        self,
        extract: Mapping[str, ExtractStep],
        decide: Callable[[StartingPoint | None], DecideStep],
        *,
        features_topic: str,
        partitions: Mapping[str, int],
        homes: int,
        clocks: ClockConfig,
    ) -> None:
        self.features: list[list[Record]] = [[] for _ in range(homes)]
        self._extract = extract
        self._features_topic = features_topic
        self._partitions = dict(partitions)
        self._steps = [decide(None) for _ in range(homes)]
        self._inputs = {
            TopicPartition(topic, number): InputProgress(topic, number, 0, clocks)
            for topic, count in partitions.items()
            for number in range(count)
        }

    def feed(self, records: Sequence[Record], now: int, *, live: bool = True) -> list[Outgoing]:
        """Takes in records of one input partition, in order; returns what leaves the line.

        Args:
            now: the wall clock, ms since 1970 UTC.
            live: they came as they were made, not out of a backlog.
        """
        progress = self._inputs[records[0].tp]
        extracted = self._extract[progress.topic].step(records, now)
        left = self._pass_on([item.outgoing for item in extracted], now)
        heard = [item.heard for item in extracted if item.heard is not None]
        progress.confirmed(records[-1].offset + 1, heard, live=live)
        return left

    def mark(self, now: int, *, at_end: bool = True) -> list[Outgoing]:
        """Sends a mark; returns what leaves the line.

        Args:
            at_end: whether the inputs have nothing more for now.
        """
        for progress in self._inputs.values():
            progress.answered(now, at_end=at_end)
        mark = encode_mark(make_mark("line", 0, self._partitions, self._inputs.values()))
        return self._pass_on(
            [
                Outgoing(self._features_topic, None, mark, partition=home)
                for home in range(len(self.features))
            ],
            now,
        )

    def finish(self, now: int, within: int = 600) -> list[Outgoing]:
        """Lets time go on without input until every passage is retired; returns what leaves.

        Args:
            within: seconds of silence at most.
        """
        left: list[Outgoing] = []
        for second in range(within):
            left += self.mark(now + second * SECOND)
            if not any(step.join.open_passages for step in self._steps):
                break
        return left

    def _pass_on(self, outgoing: Sequence[Outgoing], now: int) -> list[Outgoing]:
        """From the extract stage to the decide stage, or out of the line."""
        left: list[Outgoing] = []
        fresh: dict[int, list[Record]] = {}
        for each in outgoing:
            if each.topic != self._features_topic or each.partition is None:
                left.append(each)
                continue
            log = self.features[each.partition]
            record = Record(
                each.topic, each.partition, len(log), now, each.key, each.value, each.headers
            )
            log.append(record)
            fresh.setdefault(each.partition, []).append(record)
        for home, records in fresh.items():
            effects: Effects = self._steps[home].step(records, now)
            left += effects.outgoing
        return left
