"""Faults on demand, for drills: what a bad day on the line does to records, by a seed."""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from random import Random
from typing import NamedTuple, Self

from schemas.record import Record
from stream.errors import RecordingError


class Timed(NamedTuple):
    """A record, and when it is to be sent."""

    due: int
    """ms since 1970 UTC, in the recording's time."""
    record: Record


@dataclass(frozen=True, slots=True)
class Faults:
    """Which share of the records meets which fault, each by itself."""

    drop: float = 0.0
    delay: float = 0.0
    """It is sent up to `delay_by` later, behind others of its partition."""
    duplicate: float = 0.0
    """It is sent twice."""
    reorder: float = 0.0
    """It is sent behind the record that comes next."""
    corrupt: float = 0.0
    """A bit of its value is another."""
    delay_by: int = 30_000
    """ms."""
    seed: int = 1

    @classmethod
    def read(cls, texts: Iterable[str], seed: int) -> Self:
        """Reads `drop=0.01`, or `delay=0.05:120` (seconds).

        Raises:
            RecordingError: that is no fault, or no share of 0 to 1.
        """
        given: dict[str, float] = {}
        delay_by = cls().delay_by
        for text in texts:
            name, _, said = text.partition("=")
            share, _, seconds = said.partition(":")
            try:
                if name not in ("drop", "delay", "duplicate", "reorder", "corrupt"):
                    raise ValueError
                given[name] = float(share)
                if seconds:
                    delay_by = round(float(seconds) * 1000)
                if not 0 <= given[name] <= 1 or delay_by <= 0 or (seconds and name != "delay"):
                    raise ValueError
            except (ValueError, OverflowError):
                raise RecordingError(
                    f"{text!r} is no fault; write drop, delay, duplicate, reorder or corrupt = a"
                    " share of 0 to 1, such as drop=0.01, or delay=0.05:120 for up to 120 s"
                ) from None
        return cls(**given, delay_by=delay_by, seed=seed)

    def apply(self, records: Iterable[Record]) -> Iterator[Timed]:
        """Yields what is left of records in time order, by when it is to be sent."""
        random, order = Random(self.seed), count()  # noqa: S311
        waiting: list[tuple[int, int, Record]] = []
        behind: Record | None = None
        now = 0
        for record in records:
            now = max(now, record.timestamp)
            while waiting and waiting[0][0] <= now:
                due, _, late = heapq.heappop(waiting)
                yield Timed(due, late)
            # Always as many draws, so that one fault more leaves the others where they were.
            drop, delay, by, duplicate, reorder, corrupt, at = (random.random() for _ in range(7))
            if drop < self.drop:
                continue
            if corrupt < self.corrupt and record.value:
                record = replace(record, value=_flipped(record.value, at))
            if delay < self.delay:
                due = now + 1 + int(by * self.delay_by)
                heapq.heappush(waiting, (due, next(order), record))
                continue
            if behind is None and reorder < self.reorder:
                behind = record
                continue
            for _ in range(1 + (duplicate < self.duplicate)):
                yield Timed(now, record)
            if behind is not None:
                yield Timed(now, behind)
                behind = None
        if behind is not None:
            yield Timed(now, behind)
        while waiting:
            due, _, late = heapq.heappop(waiting)
            yield Timed(due, late)


def _flipped(value: bytes, at: float) -> bytes:
    place, bit = divmod(int(at * len(value) * 8), 8)
    return value[:place] + bytes([value[place] ^ 1 << bit]) + value[place + 1 :]
