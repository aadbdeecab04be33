"""Reads a recording: its records in time order, past whatever is damaged."""

import heapq
from collections.abc import Collection, Iterator
from pathlib import Path

from schemas.record import Record, TopicPartition
from stream.errors import RecordingError
from stream.replay.recording.blocks import Damage, read_blocks
from stream.replay.recording.manifest import FileEntry, Manifest, recorded_files, topics_of


class Recording:
    """A folder that `RecordingWriter` or `regrade record` has written.

    What is whole is read, without a manifest too; `damage` tells the rest. Reading takes memory
    for one block a partition. A recording that is still being written may be read: it ends with
    what its writer had finished when this was made.

    Raises:
        RecordingError: there is no recording at that path.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._files = recorded_files(path)
        manifest = Manifest.read(path)
        if manifest is None and not self._files:
            raise RecordingError(f"there is no recording in {path}")
        self._entries = {} if manifest is None else manifest.files
        self._damage: dict[Damage, None] = {}
        self.topics = topics_of(path, manifest, self._files)
        """The partition count of every topic when it was recorded, by its name."""

    @property
    def damage(self) -> tuple[Damage, ...]:
        """What could not be read, of all that has been read so far."""
        return tuple(self._damage)

    def records(
        self,
        topics: Collection[str] | None = None,
        *,
        start: int | None = None,
        end: int | None = None,
        partitions: Collection[int] | None = None,
    ) -> Iterator[Record]:
        """Yields records merged by timestamp, then by topic, partition and offset, where each
        partition keeps the order of its offsets, whatever its timestamps.

        Args:
            topics: only of these; None: of all.
            start: only with this timestamp or a later one, ms since 1970 UTC.
            end: only with an earlier timestamp. With either, only records that have one.
            partitions: only of these numbers, of each topic.

        Raises:
            RecordingError: a topic has not been recorded.
        """
        unknown = sorted(set(topics or ()) - set(self.topics))
        if unknown:
            raise RecordingError(
                f"{self.path} has no topic {unknown[0]}; it has {', '.join(sorted(self.topics))}"
            )
        if end is not None:
            start = max(start or 0, 0)
        chosen: dict[TopicPartition, list[str]] = {}
        for name, tp in {**self._missing(), **self._files}.items():
            if (topics is None or tp.topic in topics) and (
                partitions is None or tp.partition in partitions
            ):
                chosen.setdefault(tp, []).append(name)
        return heapq.merge(
            *(self._partition(names, start, end) for names in chosen.values()), key=_order
        )

    def _partition(self, names: list[str], start: int | None, end: int | None) -> Iterator[Record]:
        for name in sorted(names):
            entry = self._entries.get(name)
            if entry is None or not _outside(entry, start, end):
                for record in self._file(name, entry):
                    if (start is None or start <= record.timestamp) and (
                        end is None or record.timestamp < end
                    ):
                        yield record

    def _file(self, name: str, entry: FileEntry | None) -> Iterator[Record]:
        read = 0
        if name in self._files:
            for block in read_blocks(self.path / name, name, self._damaged):
                yield from block.records
            read = (self.path / name).stat().st_size
        if entry is not None and read < entry.size:
            span = entry.span
            why = (
                "bytes that the manifest lists are missing; the whole file has"
                f" {span.records} records, offsets {span.first_offset} to {span.last_offset}"
            )
            self._damaged(Damage(name, read, entry.size, why))

    def _missing(self) -> dict[str, TopicPartition]:
        return {name: entry.tp for name, entry in self._entries.items()}

    def _damaged(self, damage: Damage) -> None:
        self._damage[damage] = None


def _order(record: Record) -> tuple[int, str, int, int]:
    return record.timestamp, record.topic, record.partition, record.offset


def _outside(entry: FileEntry, start: int | None, end: int | None) -> bool:
    earliest, latest = entry.span.earliest, entry.span.latest
    return (start is not None and (latest is None or latest < start)) or (
        end is not None and (earliest is None or earliest >= end)
    )
