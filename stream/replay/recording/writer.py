"""Writes a recording, such that a crash at any moment leaves what was written before it."""

import fcntl
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

from schemas.record import Record, TopicPartition
from stream.errors import RecordingError
from stream.replay.recording.blocks import encode_block, encode_header, encode_record
from stream.replay.recording.manifest import (
    FileEntry,
    Manifest,
    Span,
    describe,
    file_name,
    first_offset,
    recorded_files,
    topics_of,
)

BLOCK_BYTES = 256 * 1024
MAX_FILE_BYTES = 64 * 1024 * 1024


@dataclass(slots=True)
class _File:
    """A file that is being written."""

    name: str
    span: Span = field(default_factory=Span)
    sha256: Any = field(default_factory=sha256)
    size: int = 0
    block: list[bytes] = field(default_factory=list)
    block_bytes: int = 0


class RecordingWriter:
    """Writes records into a folder, each partition into files of its own.

    What is in the files depends on nothing but the records and `flush`. Offsets of a partition
    must rise: that is how a recording that is resumed has neither gaps nor repeats.

    Args:
        path: a folder that is made, or is empty.
        partitions: the partition count of every topic, by its name.
        max_file_bytes: a file that is this large is finished, and another begun.
        max_file_ms: the same when a record is this much younger than the file's oldest.
        block_bytes: of each partition in memory, uncompressed, until `flush`.
        resume: go on with the recording in the folder. What a crash cut off at the end of its
            files is removed; `next_offsets` tells what to write next.

    Raises:
        RecordingError: there is a recording already, or another process writes it.
    """

    def __init__(
        self,
        path: Path,
        *,
        partitions: Mapping[str, int],
        max_file_bytes: int = MAX_FILE_BYTES,
        max_file_ms: int | None = None,
        block_bytes: int = BLOCK_BYTES,
        resume: bool = False,
    ) -> None:
        self.path = path
        self.topics = dict(partitions)
        self._max_file_bytes = max_file_bytes
        self._max_file_ms = max_file_ms
        self._block_bytes = block_bytes
        self._finished: dict[str, FileEntry] = {}
        self._open: dict[TopicPartition, _File] = {}
        self.next_offsets: dict[TopicPartition, int] = {}
        """What is to be written next of each partition that was begun."""
        path.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(path)
        try:
            self._take_over(resume=resume)
        except BaseException:
            os.close(self._lock)
            raise

    def begin(self, tp: TopicPartition, offset: int) -> None:
        """Says from which offset on a partition is recorded, so that a recording that is resumed
        knows it even where no record has come. Without it a partition begins at its first record.
        """
        file = self._open[tp] = _File(file_name(tp, offset))
        self.next_offsets[tp] = offset
        self._append(file, b"")

    def write(self, record: Record) -> None:
        """Adds a record; `flush` and `close` see to it that it is in the file.

        Raises:
            RecordingError: an offset of its partition is not larger than the last.
        """
        tp = record.tp
        if record.offset < self.next_offsets.get(tp, 0):
            raise RecordingError(
                f"{tp.topic}[{tp.partition}] gives offset {record.offset} where"
                f" {self.next_offsets[tp]} or a later one must follow; if the topic has been made"
                " anew, record it into another folder"
            )
        file = self._open.get(tp)
        if file is not None and self._is_full(file, record):
            self._finish(tp)
            file = None
        if file is None:
            file = self._open[tp] = _File(file_name(tp, record.offset))
        encoded = encode_record(record)
        file.block.append(encoded)
        file.block_bytes += len(encoded)
        file.span.add(record.offset, record.timestamp)
        self.next_offsets[tp] = record.offset + 1
        if file.block_bytes >= self._block_bytes:
            self._write_block(file)

    def flush(self) -> None:
        """Puts every record into its file, where a crash of this process leaves it."""
        for file in self._open.values():
            self._write_block(file)

    def close(self) -> None:
        """Finishes all files, and writes the manifest."""
        for tp in list(self._open):
            self._finish(tp, manifest=False)
        self._write_manifest()
        os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take_over(self, *, resume: bool) -> None:
        old, names = Manifest.read(self.path), recorded_files(self.path)
        if (names or old is not None) and not resume:
            raise RecordingError(
                f"there is a recording in {self.path} already; give another folder, or --resume"
            )
        for topic, count in topics_of(self.path, old, names).items():
            self.topics[topic] = max(self.topics.get(topic, 0), count)
        last = {tp: name for name, tp in names.items()}
        for name, tp in names.items():
            path = self.path / name
            entry = None if old is None else old.files.get(name)
            if entry is None or entry.size != path.stat().st_size:
                entry, end, _ = describe(self.path, name, tp)
                if name == last[tp] and end < entry.size:
                    os.truncate(path, end)
                    entry = describe(self.path, name, tp)[0]
            if entry.span.last_offset is not None:
                self._finished[name] = entry
                self.next_offsets[tp] = entry.span.last_offset + 1
            elif name == last[tp]:
                os.truncate(path, 0)
                self.begin(tp, first_offset(name))
        self._write_manifest()

    def _is_full(self, file: _File, record: Record) -> bool:
        if file.size + file.block_bytes >= self._max_file_bytes:
            return True
        return (
            self._max_file_ms is not None
            and file.span.earliest is not None
            and record.timestamp - file.span.earliest >= self._max_file_ms
        )

    def _write_block(self, file: _File) -> None:
        if file.block:
            self._append(file, encode_block(file.block))
            file.block, file.block_bytes = [], 0

    def _append(self, file: _File, data: bytes) -> None:
        path = self.path / file.name
        if not file.size:
            data = encode_header(self.topics) + data
        try:
            path.parent.mkdir(exist_ok=True)
            with path.open("ab") as out:
                out.write(data)
        except OSError as error:
            if path.exists():
                os.truncate(path, file.size)  # a disk that is full has taken a part
            raise RecordingError(f"cannot write {path}: {error.strerror}") from error
        file.sha256.update(data)
        file.size += len(data)

    def _finish(self, tp: TopicPartition, *, manifest: bool = True) -> None:
        file = self._open.pop(tp)
        self._write_block(file)
        with (self.path / file.name).open("rb") as written:
            os.fsync(written.fileno())
        digest = file.sha256.hexdigest()
        self._finished[file.name] = FileEntry(file.name, *tp, file.size, digest, file.span)
        if manifest:
            self._write_manifest()

    def _write_manifest(self) -> None:
        Manifest(self.topics, self._finished).write(self.path)


def _lock(path: Path) -> int:
    """Returns a descriptor that locks the folder for as long as this process lives."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise RecordingError(f"another process is writing the recording in {path}") from None
    return descriptor
