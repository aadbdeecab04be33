"""A record as the broker delivered it, and a record that leaves for the broker."""

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
    """The record's Kafka timestamp, ms since 1970 UTC; -1: it carries none."""
    key: bytes | None = field(repr=False)
    value: bytes | None = field(repr=False)
    headers: Headers = field(repr=False, default=())

    @property
    def tp(self) -> TopicPartition:
        return TopicPartition(self.topic, self.partition)


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


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one partition in the order of their offsets, as one fetch gave them."""

    tp: TopicPartition
    generation: int
    """That of the consumer group in which they were fetched."""
    records: Sequence[Record]
    caught_up_before: bool
    """The partition had been read to its end just before these came."""
    size: int
    """Bytes of keys, values and headers."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How far a partition has been read."""

    caught_up: bool
    """Everything that the broker holds of it has been handed out."""
    handed: int
    """The last offset that was handed out; -1: none yet."""
    answered_at: int | None
    """When the broker last answered a fetch of it, ms; None: not yet."""
