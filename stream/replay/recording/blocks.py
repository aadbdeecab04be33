"""The files of a recording: Avro object containers of records, read past whatever is damaged.

Such a file is a header and then blocks, each of a count, a size, the compressed records, and a
16-byte sync marker. A reader that meets damage goes on behind the next marker; the snappy codec
ends each block with a CRC-32 of its records, so that none that was damaged passes for whole.
"""

import json
import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import md5
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import cramjam
import fastavro

from schemas.record import Record

SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "KafkaRecord",
    "namespace": "io.regrade",
    "fields": [
        {"name": "topic", "type": "string"},
        {"name": "partition", "type": "int"},
        {"name": "offset", "type": "long"},
        {"name": "timestamp", "type": "long", "doc": "ms since 1970 UTC; -1: none"},
        {"name": "timestamp_type", "type": "int", "doc": "0: CreateTime, 1: LogAppendTime"},
        {"name": "key", "type": ["null", "bytes"]},
        {"name": "value", "type": ["null", "bytes"]},
        {
            "name": "headers",
            "type": {
                "type": "array",
                "items": {
                    "type": "record",
                    "name": "Header",
                    "fields": [
                        {"name": "name", "type": "string"},
                        {"name": "value", "type": ["null", "bytes"]},
                    ],
                },
            },
        },
    ],
}
PARTITIONS = "regrade.partitions"
"""In a file's header: the partition count of every topic, as JSON."""

MAX_BLOCK_BYTES = 256 * 1024 * 1024
"""What claims to be larger is damage: a block holds some 256 KiB, or one record."""

# The same in every file, so that one whose header is damaged can still be read.
_SYNC = md5(b"a recording of Regrade, format 1", usedforsecurity=False).digest()
_MAGIC = b"Obj\x01"
_CRC_BYTES = 4
_SEARCH_BYTES = 1024 * 1024
_RECORD = fastavro.parse_schema(SCHEMA)
_LONG = fastavro.parse_schema("long")
_HEADER = fastavro.parse_schema(
    {
        "type": "record",
        "name": "header",
        "fields": [
            {"name": "magic", "type": {"type": "fixed", "name": "magic", "size": len(_MAGIC)}},
            {"name": "meta", "type": {"type": "map", "values": "bytes"}},
            {"name": "sync", "type": {"type": "fixed", "name": "sync", "size": len(_SYNC)}},
        ],
    }
)


@dataclass(frozen=True, slots=True)
class Damage:
    """A piece of a file that could not be read."""

    file: str
    """Within the recording."""
    start: int
    end: int
    """Bytes `start` up to, not including, `end`."""
    why: str


class Block(NamedTuple):
    """Some records of a file, and where in it they end."""

    records: list[Record]
    end: int


class _Broken(Exception):
    """The bytes at some place are not what should be there."""


def encode_header(partitions: Mapping[str, int]) -> bytes:
    """Returns the first bytes of a file.

    Args:
        partitions: the partition count of every topic of the recording.
    """
    meta = {
        "avro.schema": json.dumps(SCHEMA).encode(),
        "avro.codec": b"snappy",
        PARTITIONS: json.dumps(dict(sorted(partitions.items()))).encode(),
    }
    file = BytesIO()
    fastavro.schemaless_writer(file, _HEADER, {"magic": _MAGIC, "meta": meta, "sync": _SYNC})
    return file.getvalue()


def encode_record(record: Record) -> bytes:
    """Returns the Avro encoding of a record."""
    fields = {name: getattr(record, name) for name in _FIELDS}
    fields["headers"] = [{"name": name, "value": value} for name, value in record.headers]
    file = BytesIO()
    fastavro.schemaless_writer(file, _RECORD, fields)
    return file.getvalue()


def encode_block(records: list[bytes]) -> bytes:
    """Returns the block of some encoded records."""
    body = b"".join(records)
    data = bytes(cramjam.snappy.compress_raw(body)) + _crc(body)
    file = BytesIO()
    fastavro.schemaless_writer(file, _LONG, len(records))
    fastavro.schemaless_writer(file, _LONG, len(data))
    return file.getvalue() + data + _SYNC


def read_partitions(path: Path) -> dict[str, int]:
    """Returns the partition counts that a file's header gives; none where it is damaged."""
    with path.open("rb") as file:
        try:
            return _header(file)
        except _Broken:
            return {}


def read_blocks(path: Path, name: str, damaged: Callable[[Damage], None]) -> Iterator[Block]:
    """Yields what can be read of a file, one block after another.

    Args:
        name: how to call the file.
        damaged: is told what could not be read.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        at = 0
        bad: tuple[int, str] | None = None
        while at < size:
            try:
                block = _block(file, at) if at else _first(file)
            except _Broken as broken:
                bad = bad or (at, str(broken))
                at = _behind_sync(file, at) or size
                continue
            if bad is not None:
                damaged(Damage(name, bad[0], at, bad[1]))
                bad = None
            yield block
            at = block.end
        if bad is not None or not size:
            start, why = bad or (0, "the file is empty")
            damaged(Damage(name, start, size, why))


_FIELDS = [field["name"] for field in SCHEMA["fields"]]


def _header(file: BinaryIO) -> dict[str, int]:
    """Reads the header, and returns the partition counts in it."""
    try:
        header = fastavro.schemaless_reader(file, _HEADER, None)
        meta = header["meta"]
        if (header["magic"], meta["avro.codec"]) != (_MAGIC, b"snappy"):
            raise _Broken("the header is not that of a recording")
        if json.loads(meta["avro.schema"]) != SCHEMA:
            raise _Broken("the header has another schema than this version's recordings")
        return {str(topic): int(n) for topic, n in json.loads(meta[PARTITIONS]).items()}
    except (EOFError, ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        raise _Broken("the header is damaged or cut") from error


def _first(file: BinaryIO) -> Block:
    _header(file)
    return Block([], file.tell())


def _block(file: BinaryIO, at: int) -> Block:
    file.seek(at)
    try:
        # How many records there are is not under the checksum, and they tell it themselves.
        _, size = (fastavro.schemaless_reader(file, _LONG, None) for _ in range(2))
        if not _CRC_BYTES <= size <= MAX_BLOCK_BYTES:
            raise _Broken("the size of a block is damaged")
        data, sync = file.read(size), file.read(len(_SYNC))
        if len(sync) < len(_SYNC):
            raise _Broken("the last block is cut, or the size of a block is damaged")
        body = bytes(cramjam.snappy.decompress_raw(data[:-_CRC_BYTES]))
        if _crc(body) != data[-_CRC_BYTES:]:
            raise _Broken("the checksum of a block differs")
        content, records = BytesIO(body), []
        while content.tell() < len(body):
            records.append(_decode(content))
        return Block(records, file.tell())
    except (EOFError, ValueError, LookupError, OverflowError, cramjam.DecompressionError) as error:
        raise _Broken("a block is damaged") from error


def _crc(body: bytes) -> bytes:
    return zlib.crc32(body).to_bytes(_CRC_BYTES, "big")


def _decode(content: BytesIO) -> Record:
    fields: dict[str, Any] = fastavro.schemaless_reader(content, _RECORD, None)
    fields["headers"] = tuple((each["name"], each["value"]) for each in fields["headers"])
    return Record(**fields)


def _behind_sync(file: BinaryIO, at: int) -> int | None:
    """Returns the position behind the next sync marker; None where there is none."""
    file.seek(at)
    tail = b""
    while piece := file.read(_SEARCH_BYTES):
        searched = tail + piece
        if (found := searched.find(_SYNC)) >= 0:
            return file.tell() - len(searched) + found + len(_SYNC)
        tail = searched[1 - len(_SYNC) :]
    return None
