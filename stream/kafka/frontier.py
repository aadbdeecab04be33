"""The frontier: how far the records of each partition are finished without a gap.

Kafka keeps one offset a partition, so only the contiguous prefix of finished records may be
committed. Contiguous is the order of delivery, not the numbers: compaction and transaction
markers leave holes in the offsets.
"""

from collections import deque
from collections.abc import Iterable, Mapping

from stream.kafka.record import TopicPartition


class _Partition:
    """One partition's delivered and finished offsets."""

    __slots__ = ("committed", "finished", "next_offset", "pending")

    def __init__(self) -> None:
        self.pending: deque[int] = deque()
        """Delivered, from the first unfinished one on."""
        self.finished: set[int] = set()
        """Of the pending ones."""
        self.next_offset = -1
        """Behind the last record of the finished prefix, -1 while nothing is finished."""
        self.committed = -1

    def finish(self, offsets: Iterable[int]) -> None:
        pending, finished = self.pending, self.finished
        if pending:
            first = pending[0]
            finished.update(offset for offset in offsets if offset >= first)
        while pending and pending[0] in finished:
            offset = pending.popleft()
            finished.remove(offset)
            self.next_offset = offset + 1


class Frontier:
    """Which offsets may be committed. Knows no generations: make a new one, or `drop`."""

    def __init__(self) -> None:
        self._partitions: dict[TopicPartition, _Partition] = {}

    def deliver(self, tp: TopicPartition, offsets: Iterable[int]) -> None:
        """Notes records that have been taken from the partition, in the order of their offsets.

        Raises:
            ValueError: they are not behind those that were delivered before.
        """
        partition = self._partitions.setdefault(tp, _Partition())
        pending = partition.pending
        last = pending[-1] if pending else partition.next_offset - 1
        for offset in offsets:
            if offset <= last:
                raise ValueError(f"{tp.topic}[{tp.partition}]@{offset} came after @{last}")
            pending.append(last := offset)

    def finish(self, tp: TopicPartition, offsets: Iterable[int]) -> None:
        """Notes that these records have had their effect; unknown partitions are ignored."""
        if partition := self._partitions.get(tp):
            partition.finish(offsets)

    def next_offset(self, tp: TopicPartition) -> int | None:
        """Returns where a restart may go on; None while nothing of the partition is finished."""
        partition = self._partitions.get(tp)
        return None if partition is None or partition.next_offset < 0 else partition.next_offset

    def committable(self) -> dict[TopicPartition, int]:
        """Returns the next offset of each partition where it is ahead of what is committed."""
        return {
            tp: partition.next_offset
            for tp, partition in self._partitions.items()
            if partition.next_offset > partition.committed
        }

    def committed(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Notes what the broker has confirmed."""
        for tp, offset in offsets.items():
            if partition := self._partitions.get(tp):
                partition.committed = max(partition.committed, offset)

    def drop(self, tps: Iterable[TopicPartition]) -> None:
        """Forgets partitions that are no longer ours."""
        for tp in tps:
            self._partitions.pop(tp, None)

    @property
    def unfinished(self) -> int:
        """Delivered records that a restart would read again."""
        return sum(len(p.pending) - len(p.finished) for p in self._partitions.values())

    def oldest_unfinished(self, tp: TopicPartition) -> int | None:
        """Returns the offset of the first record of the partition that is not finished."""
        partition = self._partitions.get(tp)
        return partition.pending[0] if partition and partition.pending else None
