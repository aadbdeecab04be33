"""What a recording holds as a whole."""

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np

from schemas.record import TopicPartition
from stream.replay.inspection.rows import Row
from stream.replay.recording import Damage
from stream.replay.recording.manifest import Span

PERCENTILES = {"p50": 50, "p90": 90, "p99": 99, "max": 100}
LOG_APPEND_TIME = 1
SHOWN_HOLES = 100
"""Holes in the offsets that are listed one by one."""


@dataclass(slots=True)
class TopicSummary:
    """One topic."""

    size: int = 0
    """Of keys and values, in bytes."""
    spans: dict[int, Span] = field(default_factory=dict)
    """By partition."""
    encodings: Counter[str] = field(default_factory=Counter)
    """How values begin, by how many do."""
    kinds: Counter[str] = field(default_factory=Counter)

    @property
    def records(self) -> int:
        return sum(span.records for span in self.spans.values())


class Summary:
    """Adds up rows. It keeps a number for each observation and a name for each unit and passage.

    A day of two million observations takes some 20 MB, and its units about 100.
    """

    def __init__(self) -> None:
        self.topics: defaultdict[str, TopicSummary] = defaultdict(TopicSummary)
        self.units: set[str] = set()
        self.holes: list[tuple[TopicPartition, int, int]] = []
        """Offsets between two records that are not there, first and last: they were damaged,
        deleted or compacted, or are markers of transactions."""
        self._delays: defaultdict[tuple[str, str, str], array[int]] = defaultdict(_numbers)
        self._soonest: dict[str, int] = {}
        """By station, the smallest time from capture to the broker's own timestamp, ms."""
        self._passages: dict[str, tuple[int, str, tuple[str, ...]]] = {}
        """By id, of the highest revision: its number, why it was decided, what was missing."""

    def add(self, row: Row, *, whole: bool = True) -> None:
        """Adds a record.

        Args:
            whole: none of its partition is left out, so that holes can be seen.
        """
        topic = self.topics[row.topic]
        span = topic.spans.setdefault(row.partition, Span())
        if whole and span.last_offset is not None and row.offset > span.last_offset + 1:
            place = TopicPartition(row.topic, row.partition)
            self.holes.append((place, span.last_offset + 1, row.offset - 1))
        span.add(row.offset, row.timestamp)
        topic.size += row.size
        topic.kinds[row.kind] += 1
        if row.encoding is not None:
            topic.encodings[row.encoding] += 1
        if row.fingerprint is not None:
            topic.encodings[f"{row.modality} features {row.fingerprint}"] += 1
        if row.unit_id is not None:
            self.units.add(row.unit_id)
        if row.captured_at is not None and row.timestamp >= 0:
            self._add_delay(row, row.timestamp - row.captured_at)
        if row.passage_id is not None and row.revision is not None:
            revision, _, _ = self._passages.get(row.passage_id, (0, "", ()))
            if row.revision > revision:
                decided = (row.revision, row.closed_by or "", tuple(row.missing or ()))
                self._passages[row.passage_id] = decided

    def _add_delay(self, row: Row, delay: int) -> None:
        source = row.source or ""
        if row.kind in ("observation", "features"):
            self._delays[row.kind, row.modality or "", source].append(delay)
        if row.timestamp_type == LOG_APPEND_TIME:
            self._soonest[source] = min(delay, self._soonest.get(source, delay))

    def as_json(self, partitions: dict[str, int], damage: Iterable[Damage]) -> dict[str, Any]:
        """Returns the whole summary, for `--json`.

        Args:
            partitions: the partition count of every topic.
            damage: what could not be read.
        """
        missing = Counter(name for _, _, names in self._passages.values() for name in names)
        return {
            "topics": [self._topic(name, count) for name, count in sorted(partitions.items())],
            "units": len(self.units),
            "passages": {
                "decided": len(self._passages),
                "with_everything": sum(not names for _, _, names in self._passages.values()),
                "closed_by": dict(Counter(by for _, by, _ in self._passages.values())),
                "missing": dict(missing.most_common()),
            },
            "delays": self.delays(),
            "clocks": self.clocks(),
            "holes": [
                {"topic": tp.topic, "partition": tp.partition, "first": first, "last": last}
                for tp, first, last in self.holes[:SHOWN_HOLES]
            ],
            "missing_offsets": sum(last - first + 1 for _, first, last in self.holes),
            "damage": [
                {"file": each.file, "start": each.start, "end": each.end, "why": each.why}
                for each in damage
            ],
        }

    def _topic(self, name: str, partitions: int) -> dict[str, Any]:
        topic = self.topics.get(name, TopicSummary())
        spans = [span for span in topic.spans.values() if span.records]
        return {
            "topic": name,
            "partitions": partitions,
            "records": topic.records,
            "bytes": topic.size,
            "earliest": min((span.earliest for span in spans if span.earliest), default=None),
            "latest": max((span.latest for span in spans if span.latest), default=None),
            "offsets": {
                number: [span.first_offset, span.last_offset]
                for number, span in sorted(topic.spans.items())
            },
            "kinds": dict(topic.kinds.most_common()),
            "encodings": dict(topic.encodings.most_common()),
        }

    def delays(self) -> list[dict[str, Any]]:
        """Returns percentiles of the ms from capture to the record's timestamp, by modality and
        station: of the raw topics where they were recorded, else of the features topic."""
        raw = any(kind == "observation" for kind, _, _ in self._delays)
        return [
            {
                "modality": modality,
                "source": source,
                "observations": len(delays),
                **dict(zip(PERCENTILES, _percentiles(delays), strict=True)),
            }
            for (kind, modality, source), delays in sorted(self._delays.items())
            if kind == ("observation" if raw else "features")
        ]

    def clocks(self) -> dict[str, int]:
        """Returns by how many ms the clock of each station is ahead of the others' (negative:
        behind).

        It compares the smallest time from capture to the broker's timestamp (LogAppendTime, which
        `units.features` has) with the stations' median, and so takes their shortest ways to the
        broker for equally long.
        """
        middle = median(self._soonest.values()) if self._soonest else 0
        return {name: round(middle - soonest) for name, soonest in sorted(self._soonest.items())}


def _percentiles(delays: "array[int]") -> list[int]:
    return [round(each) for each in np.percentile(delays, list(PERCENTILES.values()))]


def _numbers() -> "array[int]":
    return array("q")
