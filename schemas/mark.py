"""A mark: how far an extract worker has come, on `units.features` behind what it vouches for."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from schemas.errors import EmptyRecord, InvalidField, TooLarge, UnknownSchema
from schemas.ids import check_id, check_place
from schemas.single_object import HEADER_BYTES, SingleObject
from schemas.times import check_time

MAX_MARK_BYTES = 1024 * 1024

_AVRO = SingleObject("mark")


@dataclass(frozen=True, slots=True)
class SourceProgress:
    """How far one input partition has been extracted.

    Raises:
        InvalidField: a field breaks the contract.
    """

    topic: str
    partition: int
    next_offset: int
    """What became of every record below it is confirmed."""
    event_time: int | None
    """How far its stations' clocks have come, in ms since 1970 UTC; None: unknown."""
    awake: bool
    """A station counts, or the partition is not at its end."""
    at_end: bool
    """It has been at its end since the last mark."""

    def __post_init__(self) -> None:
        check_place(self.topic, self.partition, self.next_offset)
        if self.event_time is not None:
            check_time("event_time", self.event_time)


@dataclass(frozen=True, slots=True)
class Mark:
    """What one extract worker says, once a second, to every home partition.

    Raises:
        InvalidField: a field breaks the contract.
    """

    worker: str
    """Names the extract process that sends it."""
    generation: int
    """Of the extract group, when this was so."""
    partitions: Mapping[str, int]
    """The partition count of every input topic, by its name."""
    sources: tuple[SourceProgress, ...]
    """The input partitions that the worker reads, each once."""

    def __post_init__(self) -> None:
        check_id("worker", self.worker)
        if self.generation < 0:
            raise InvalidField(f"generation {self.generation} is negative")
        for topic, count in self.partitions.items():
            check_place(topic, count, 0)
        if len({(s.topic, s.partition) for s in self.sources}) != len(self.sources):
            raise InvalidField("the mark lists an input partition twice")


def is_mark(value: bytes | None) -> bool:
    """Whether a value of `units.features` is a mark by its fingerprint; it may yet be damaged."""
    return value is not None and _AVRO.matches(value)


def encode_mark(mark: Mark) -> bytes:
    """Returns the value of a mark, such that `decode_mark` gives the same back.

    Raises:
        InvalidField: a field has not the schema's type.
    """
    return _AVRO.write(
        {
            "worker": mark.worker,
            "generation": mark.generation,
            "partitions": dict(mark.partitions),
            "sources": [asdict(source) for source in mark.sources],
        }
    )


def decode_mark(value: bytes | None) -> Mark:
    """Returns the mark that a value holds.

    Raises:
        RecordError: always one of its subclasses, for any bytes whatsoever.
    """
    if not value:
        raise EmptyRecord("the record has no value")
    if len(value) > MAX_MARK_BYTES:
        raise TooLarge(f"the mark has {len(value)} bytes; at most {MAX_MARK_BYTES} are allowed")
    if not is_mark(value):
        raise UnknownSchema(
            f"the first bytes {value[:HEADER_BYTES].hex(' ')} are not those of a mark, "
            f"{_AVRO.header.hex(' ')}"
        )
    fields = _AVRO.read(value)
    return Mark(
        worker=fields["worker"],
        generation=fields["generation"],
        partitions=fields["partitions"],
        sources=tuple(SourceProgress(**source) for source in fields["sources"]),
    )
