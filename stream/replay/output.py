"""The recording of what an offline replay lets leave the line."""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Self

from schemas import headers
from schemas.record import Outgoing, Record
from schemas.times import MAX_TIME_MS
from stream.replay.recorded_line import RecordedLine
from stream.replay.recording import RecordingWriter


class Output:
    """Writes it, each home partition into partitions of its own; a context.

    Decisions are written in the order of their event time, so that the files depend on what was
    decided and not on when. Dead letters of the extract stage, which belong to no home, lie in a
    partition behind those of the homes.

    Args:
        left: counts what is written, by topic.
    """

    def __init__(self, path: Path, line: RecordedLine, left: Counter[str]) -> None:
        topics, homes = line.topics, line.homes
        counts = {topics.decisions: homes, topics.late: homes, topics.dead_letter: homes + 1}
        self._writer = RecordingWriter(path, partitions=counts)
        self._decisions = topics.decisions
        self._lasts = line.settings.window_ms + line.settings.grace_ms
        self._offsets: Counter[tuple[str, int]] = Counter()
        self._waiting: dict[int, list[tuple[int, bytes, int, Outgoing]]] = defaultdict(list)
        self._sequence = count()
        self._left = left

    def write(self, records: Iterable[tuple[int, Outgoing]]) -> None:
        """Takes what leaves the line, and which home partition it is of."""
        for home, out in records:
            if out.topic == self._decisions:
                place = (_event_time(out), out.key or b"", next(self._sequence), out)
                heapq.heappush(self._waiting[home], place)
            else:
                self._put(home, out, -1 if out.timestamp is None else out.timestamp)

    def release(self, reached: Mapping[int, int]) -> None:
        """Writes the decisions that no earlier one can follow any more.

        Args:
            reached: the watermark of each home partition, ms. A passage that may yet be decided
                retires behind it, and so has evidence that is younger than window and grace.
        """
        for home, watermark in reached.items():
            waiting = self._waiting[home]
            while waiting and waiting[0][0] <= watermark - self._lasts:
                time, _, _, out = heapq.heappop(waiting)
                self._put(home, out, time)

    def _put(self, home: int, out: Outgoing, time: int) -> None:
        place = out.topic, home
        record = Record(*place, self._offsets[place], time, out.key, out.value, out.headers)
        self._writer.write(record)
        self._offsets[place] += 1
        self._left[out.topic] += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release(dict.fromkeys(self._waiting, 2 * MAX_TIME_MS))
        self._writer.close()


def _event_time(decision: Outgoing) -> int:
    """Returns `decided_at` of a decision that was made without a clock, ms."""
    told = dict(decision.headers)[headers.CE_TIME] or b""
    return round(datetime.fromisoformat(told.decode()).timestamp() * 1000)
