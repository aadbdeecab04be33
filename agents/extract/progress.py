"""How far one worker has come with its input partitions: what its marks say.

Everything here speaks only of records whose feature record or dead letter is confirmed.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from agents.extract.clocks import Carried, ClockConfig, StationClocks
from schemas.mark import Mark, SourceProgress
from schemas.times import MAX_TIME_MS, MIN_TIME_MS

MAX_ANSWER = 1_000
"""The most that one answer of the broker tells about the time before it, ms."""
OUTAGE = 3_000
"""Without an answer for longer than this nothing was answered at all, ms."""

Partition = tuple[str, int]
"""Topic and partition."""


class Heard(NamedTuple):
    """One usable observation, as far as clocks are concerned."""

    source: str
    captured_at: int


class InputProgress:
    """The progress of one input partition since this worker was given it.

    Args:
        next_offset: where reading begins.
        carried: what the last owner left behind, see `carry`; empty where it is not known.
    """

    def __init__(
        self, topic: str, partition: int, next_offset: int, config: ClockConfig, carried: str = ""
    ) -> None:
        self.topic = topic
        self.partition = partition
        self.next_offset = next_offset
        self.clocks = StationClocks(config, _carried(carried))
        self._at_end = False
        self._been_at_end = False
        self._answered_at: int | None = None

    def confirmed(self, next_offset: int, heard: Iterable[Heard], *, live: bool) -> None:
        """The records before `next_offset` have had their effect.

        Args:
            heard: the usable observations among them.
            live: the partition had been read to its end before they came.
        """
        self.next_offset = next_offset
        for source, captured_at in heard:
            self.clocks.heard(source, captured_at, live=live)

    def answered(self, at: int, *, at_end: bool) -> None:
        """The broker has answered a fetch.

        Args:
            at: when, in ms of any clock that never goes back.
            at_end: the answer was that there is nothing more, and all before it is confirmed.
        """
        if self._at_end and at_end and self._answered_at is not None:
            elapsed = at - self._answered_at
            if elapsed <= OUTAGE:
                self.clocks.answered(min(elapsed, MAX_ANSWER))
        if at != self._answered_at or at_end != self._at_end:  # an outage repeats the last answer
            self._been_at_end |= at_end
        self._at_end, self._answered_at = at_end, at

    def interrupted(self) -> None:
        """An outage, a freeze or a rebalance: the time until the next answer does not count, and
        what was the end of the partition need not be it any more."""
        self._answered_at = None
        self._at_end = self._been_at_end = False

    def report(self) -> SourceProgress:
        """Returns what a mark says of the partition, and begins the time until the next mark."""
        at_end, self._been_at_end = self._been_at_end, False
        event_time, awake = self.clocks.event_time(at_end=self._at_end)
        return SourceProgress(
            self.topic, self.partition, self.next_offset, event_time, awake, at_end
        )

    def carry(self) -> str:
        """Returns what the next owner must know: the metadata of the offset that is committed."""
        known = self.clocks.carry(at_end=self._at_end)
        if known is None:
            return ""
        return f"clock {known.event_time} {'awake' if known.awake else 'idle'} {known.largest}"


def make_mark(
    worker: str, generation: int, partitions: Mapping[str, int], inputs: Iterable[InputProgress]
) -> Mark:
    """Returns a mark of all input partitions that a worker reads.

    Args:
        worker: names the process.
        generation: that of the consumer group.
        partitions: the partition count of every input topic.
    """
    return Mark(worker, generation, partitions, tuple(each.report() for each in inputs))


def _carried(text: str) -> Carried | None:
    """Reads what `carry` wrote; anything else is not known."""
    found = re.fullmatch("clock ([0-9]{1,15}) (awake|idle) ([0-9]{1,15})", text)
    if found is None:
        return None
    known = Carried(int(found[1]), found[2] == "awake", int(found[3]))
    return known if MIN_TIME_MS <= known.event_time <= known.largest <= MAX_TIME_MS else None
