"""Records as the broker delivers them, one batch a partition and poll, and what leaves for it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

Headers = Sequence[tuple[str, bytes | None]]


class TopicPartition(NamedTuple):
    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Record:
    """A consumed record, undecoded."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    """The record's Kafka timestamp, ms since 1970 UTC; -1 where there is none."""
    key: bytes | None = field(repr=False)
    value: bytes | None = field(repr=False)
    headers: Headers = field(repr=False, default=())
    timestamp_type: int = 0
    """0: its producer gave the timestamp (CreateTime), 1: the broker did (LogAppendTime)."""

    @property
    def tp(self) -> TopicPartition:
        return TopicPartition(self.topic, self.partition)


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """What one poll brought of one partition: at least one record, in the order of the offsets."""

    tp: TopicPartition
    generation: int
    """Of the consumer group, in which the records were read."""
    records: Sequence[Record] = field(repr=False)
    caught_up_before: bool
    """Whether the partition had been read to its end just before these records came."""
    size: int
    """Bytes of all keys, values and headers."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How far a partition has been read."""

    caught_up: bool
    """Whether the broker has answered, since the last record was handed out, that there is no more.

    One answer that brings the last records is not enough: the embedded broker tells the end of a
    piece as the end of the partition.
    """
    handed: int
    """Offset of the last record that was handed out, -1 before the first of this assignment."""
    answered_at: int | None
    """When the broker last answered a fetch, ms of a clock that never goes back; None: not yet."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to be published."""

    topic: str
    key: bytes | None
    value: bytes | None = field(repr=False)
    headers: Headers = field(repr=False, default=())
    partition: int | None = None
    """None: by key."""
    timestamp: int | None = None
    """ms since 1970 UTC; None: now."""
    shrinkable: bool = False
    """Whether it may go without its value where the topic refuses its size."""
