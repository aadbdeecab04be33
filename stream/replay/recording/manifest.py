"""The manifest of a recording: what each finished file holds. It can be made again from them."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Self

from schemas.record import TopicPartition
from stream.errors import RecordingError
from stream.replay.recording.blocks import Damage, read_blocks, read_partitions

NAME = "manifest.json"

_NAME = re.compile(r"(.+)-(\d+)/\d{20}\.avro")


@dataclass(slots=True)
class Span:
    """How many records there are, and their ranges."""

    records: int = 0
    first_offset: int | None = None
    last_offset: int | None = None
    earliest: int | None = None
    """The smallest timestamp, ms since 1970 UTC; None where no record has one."""
    latest: int | None = None

    def add(self, offset: int, timestamp: int) -> None:
        self.records += 1
        if self.first_offset is None:
            self.first_offset = offset
        self.last_offset = offset
        if timestamp < 0:
            return
        self.earliest = timestamp if self.earliest is None else min(self.earliest, timestamp)
        self.latest = timestamp if self.latest is None else max(self.latest, timestamp)


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of a recording."""

    file: str
    """Within the recording."""
    topic: str
    partition: int
    size: int
    """In bytes."""
    sha256: str
    span: Span

    @property
    def tp(self) -> TopicPartition:
        return TopicPartition(self.topic, self.partition)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a recording holds."""

    topics: Mapping[str, int]
    """The partition count of every recorded topic."""
    files: Mapping[str, FileEntry]
    """The finished files, by name."""

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Returns the manifest that lies in a folder; None where it is missing or damaged."""
        try:
            content = json.loads((folder / NAME).read_text("utf-8"))
            entries = [
                FileEntry(**{**each, "span": Span(**each["span"])}) for each in content["files"]
            ]
            return cls(dict(content["topics"]), {entry.file: entry for entry in entries})
        except (OSError, ValueError, LookupError, TypeError):
            return None

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Returns the manifest of what lies in a folder, and reads only the files that the one
        there does not describe.

        Raises:
            RecordingError: there is no such folder, or no recording in it.
        """
        old, files = cls.read(folder), recorded_files(folder)
        if old is None and not files:
            raise RecordingError(f"there is no recording in {folder}")
        known = {} if old is None else old.files
        entries = [
            entry
            if (entry := known.get(name)) and entry.size == (folder / name).stat().st_size
            else describe(folder, name, tp)[0]
            for name, tp in files.items()
        ]
        return cls(topics_of(folder, old, files), {entry.file: entry for entry in entries})

    def write(self, folder: Path) -> None:
        """Replaces the manifest in a folder; a crash leaves the old one or the new one."""
        content = {
            "topics": dict(sorted(self.topics.items())),
            "files": [asdict(entry) for _, entry in sorted(self.files.items())],
        }
        new = folder / f"{NAME}.new"
        with new.open("w", encoding="utf-8") as file:
            json.dump(content, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        new.replace(folder / NAME)


def file_name(tp: TopicPartition, offset: int) -> str:
    """Returns the name of a partition's file from an offset on, as Kafka names its segments."""
    return f"{tp.topic}-{tp.partition}/{offset:020}.avro"


def first_offset(name: str) -> int:
    """Returns the offset from which on a file is."""
    return int(Path(name).stem)


def recorded_files(folder: Path) -> dict[str, TopicPartition]:
    """Returns the names of a recording's files, each partition's in the order of the offsets.

    Raises:
        RecordingError: there is no such folder.
    """
    if not folder.is_dir():
        raise RecordingError(f"there is no folder {folder}")
    names = sorted(str(path.relative_to(folder)) for path in folder.glob("*/*.avro"))
    parts = ((name, _NAME.fullmatch(name)) for name in names)
    return {name: TopicPartition(part[1], int(part[2])) for name, part in parts if part}


def topics_of(
    folder: Path, manifest: Manifest | None, files: Mapping[str, TopicPartition]
) -> dict[str, int]:
    """Returns the partition count of every topic: the largest that anything tells."""
    told: dict[str, int] = dict(manifest.topics) if manifest is not None else {}
    described = manifest.files if manifest is not None else {}
    for name, tp in files.items():
        counts = {} if name in described else read_partitions(folder / name)
        for topic, count in (*counts.items(), (tp.topic, tp.partition + 1)):
            told[topic] = max(told.get(topic, 0), count)
    return told


def describe(folder: Path, name: str, tp: TopicPartition) -> tuple[FileEntry, int, list[Damage]]:
    """Reads a file; returns what it holds, where its last whole block ends, and the damage."""
    span, end = Span(), 0
    damage: list[Damage] = []
    for block in read_blocks(folder / name, name, damage.append):
        end = block.end
        for record in block.records:
            span.add(record.offset, record.timestamp)
    return FileEntry(name, *tp, *_size_and_sha256(folder / name), span), end, damage


def _size_and_sha256(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        return os.fstat(file.fileno()).st_size, file_digest(file, "sha256").hexdigest()
