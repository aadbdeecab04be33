"""A record as the broker delivered it, and what leaves for the broker."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

UNREADABLE_HEADER = "regrade.unreadable"
"""On the stand-in for a record whose bytes the client library cannot read: why."""

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
    """The record's Kafka timestamp, ms since 1970 UTC."""
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
