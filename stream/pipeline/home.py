"""One home partition of a generation: its join, its watermark and what its consumer has read."""

from collections.abc import Iterable

from agents.join import Arrival, Join, JoinConfig, Output, Watermark
from schemas.modality import Modality
from stream.pipeline.intake import Dead, Examined, Misrouted
from stream.pipeline.machinery import Machinery
from stream.pipeline.progress import Progress
from stream.pipeline.record import Record, TopicPartition


class Home:
    """Join and watermark of one home partition, fed with what intake made of its records."""

    def __init__(self, number: int, machinery: Machinery, now: float) -> None:
        settings, topics = machinery.settings, machinery.topics
        self.number = number
        self.join = Join(
            JoinConfig(
                window=settings.window_ms,
                grace=settings.grace_ms,
                provisional_after=settings.provisional_after_ms,
                expected=lambda unit_id: machinery.policy.expected_modalities(
                    unit_id, settings.modalities
                ),
            )
        )
        self.watermark = Watermark(
            settings.modalities,
            max_out_of_orderness=settings.max_out_of_orderness_ms,
            idle_timeout=settings.idle_timeout,
            now=now,
            outage_hold=settings.outage_hold,
        )
        self.inputs = {
            m: TopicPartition(topics.observation(m), number) for m in settings.modalities
        }
        self.repartition = TopicPartition(topics.repartition, number)
        self._partitions = machinery.partitions
        self._modality_of = topics.modality_of

    @property
    def tps(self) -> tuple[TopicPartition, ...]:
        """Every input of the partition."""
        return (*self.inputs.values(), self.repartition)

    def take(self, record: Record, item: Examined, now: float) -> list[Output]:
        """A record of one of this partition's inputs has been examined."""
        modality = self._modality_of(record.topic)
        forwarded = modality is None
        if isinstance(item, Misrouted):
            # Somebody hashes keys differently: expect our units on the other partitions too.
            for other in range(self._partitions):
                if other != self.number:
                    self.watermark.expect((item.modality, other), now)
            self.watermark.observe(item.modality, item.captured_at, now)
        elif isinstance(item, Progress):
            self.watermark.expect((item.modality, item.partition), now)
            self.watermark.observe((item.modality, item.partition), item.reached, now)
        elif isinstance(item, Arrival):
            source = (item.modality, item.origin.partition) if forwarded else item.modality
            if forwarded:
                self.watermark.expect(source, now)
            self.watermark.observe(source, item.captured_at, now)
            return self.join.observe(item)
        elif isinstance(item, Dead) and modality is not None:
            self.watermark.touch(modality, now)
        return []

    def advance(
        self, now: float, wall_ms: int, at_end: Iterable[TopicPartition], *, answering: bool
    ) -> list[Output]:
        """Move the watermark and let the join act on it.

        Args:
            at_end: inputs that have been read, and taken in, to their end.
            answering: the broker has answered a fetch lately.
        """
        ended = set(at_end)
        for modality, tp in self.inputs.items():
            self.watermark.progress(modality, at_end=tp in ended)
        unread = self.repartition not in ended
        return self.join.advance(
            self.watermark.advance(now, wall_ms, answering=answering, unread=unread)
        )

    def ahead(self, now: float) -> set[TopicPartition]:
        """Inputs that are ahead of the one that holds the watermark back."""
        slowest = self.watermark.slowest(now)
        if slowest is None:
            return set()
        limit = self.watermark.reached(slowest)
        return {
            tp
            for modality, tp in self.inputs.items()
            if not self._holds(slowest, modality) and self.watermark.reached(modality) > limit
        }

    @staticmethod
    def _holds(slowest: object, modality: Modality) -> bool:
        """Whether reading the modality's topic may be what the slowest source waits for."""
        return slowest == modality or (isinstance(slowest, tuple) and slowest[0] == modality)
