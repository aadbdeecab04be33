"""The ack frontier: which offsets may be committed.

A record is finished when what became of it can no longer be lost. Kafka keeps one offset a
partition, so only the contiguous prefix of finished records counts (house plan, section 5.2).
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from stream.pipeline.record import Record, TopicPartition


@dataclass(slots=True, eq=False)
class Token:
    """One delivered record, until everything before it is finished too."""

    tp: TopicPartition
    offset: int
    record: Record | None
    """The raw record, until nothing can need its bytes any more."""
    finished: bool = False


class Frontier:
    """Delivered records of each partition in order, and how far they are finished.

    Offsets may have holes (compaction, transaction markers): the order of delivery is what is
    contiguous, not the numbers.
    """

    def __init__(self) -> None:
        self._pending: dict[TopicPartition, deque[Token]] = {}
        self._committable: dict[TopicPartition, int] = {}
        self._committed: dict[TopicPartition, int] = {}

    def deliver(self, record: Record) -> Token:
        """A record has been taken from its partition; call in the order of the offsets."""
        token = Token(record.tp, record.offset, record)
        self._pending.setdefault(record.tp, deque()).append(token)
        return token

    def finish(self, tokens: Iterable[Token]) -> None:
        """These records have had their effect."""
        touched = set()
        for token in tokens:
            token.finished, token.record = True, None
            touched.add(token.tp)
        for tp in touched:
            pending = self._pending[tp]
            while pending and pending[0].finished:
                self._committable[tp] = pending.popleft().offset + 1

    def committable(self) -> dict[TopicPartition, int]:
        """Per partition the next offset to read, where it is ahead of what is committed."""
        return {
            tp: offset
            for tp, offset in self._committable.items()
            if offset > self._committed.get(tp, -1)
        }

    def committed(self, offsets: Mapping[TopicPartition, int]) -> None:
        """The broker has confirmed these."""
        self._committed.update(offsets)

    @property
    def unfinished(self) -> int:
        """Delivered records that a restart would read again."""
        return sum(len(pending) for pending in self._pending.values())
