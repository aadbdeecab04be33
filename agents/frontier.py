"""The frontier of one partition: which offset may be committed.

A record is finished when what became of it can no longer be lost. Kafka keeps one offset a
partition, so that only the contiguous prefix of finished records counts.
"""

from collections import deque
from collections.abc import Iterable


class Frontier:
    """Delivered records in order, and how far they are finished.

    Offsets may have holes (compaction, transaction markers): the order of delivery is what is
    contiguous, not the numbers.

    Args:
        offset: the next record to be delivered, which is committed already.
    """

    def __init__(self, offset: int) -> None:
        self._pending: deque[int] = deque()
        self._finished: set[int] = set()
        self._next = self._committed = offset

    def deliver(self, offsets: Iterable[int]) -> None:
        """Records have been taken from the partition, in order."""
        self._pending.extend(offsets)

    def finish(self, offsets: Iterable[int]) -> None:
        """These records have had their effect."""
        self._finished.update(offsets)
        while self._pending and self._pending[0] in self._finished:
            offset = self._pending.popleft()
            self._finished.remove(offset)
            self._next = offset + 1

    def committable(self) -> int | None:
        """Returns the next offset to read; None where nothing has changed since the last commit."""
        return self._next if self._next > self._committed else None

    def committed(self, offset: int) -> None:
        """The broker has confirmed this offset."""
        self._committed = max(self._committed, offset)

    @property
    def unfinished(self) -> int:
        """Delivered records that a restart would read again."""
        return len(self._pending)
