"""In-band progress of forwarded modalities, so that a home partition knows what is still to come.

A scanner whose client hashes keys differently spreads a unit's records over all partitions. The
home partition reads its own share of the topic, but how far the *other* shares have been read is
known only to their readers, perhaps in other workers. So whoever forwards from a topic-partition
tells every other home partition, in `units.repartition` behind the records it forwarded, how far
event time has come there: a watermark that travels with the data, as in Flink's "Watermarks in
Parallel Streams". Without it a backlog would close passages before their forwarded part arrives.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from schemas.errors import Malformed
from schemas.modality import Modality
from stream.kafka.topics import Topics
from stream.pipeline.record import Outgoing, Record, TopicPartition

PROGRESS_HEADER = "regrade.progress"
INTERVAL = 0.25
"""At most so often, in s of processing time, while event time moves."""
KEEPALIVE = 1.0
"""At least so often while records wait to be read, though event time stands still."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Everything on that partition of the modality's topic up to `reached` has been forwarded."""

    modality: Modality
    partition: int
    reached: int
    """Largest captured_at seen, ms."""

    @classmethod
    def of(cls, record: Record, partitions: int, latest: int) -> "Progress | None":
        """The progress that a record of `units.repartition` tells; None if it is an observation.

        Args:
            partitions: how many each topic has.
            latest: event time, in ms, that nobody can have reached.

        Raises:
            Malformed: it is marked as progress, but cannot be read, or tells what cannot be.
        """
        if PROGRESS_HEADER not in dict(record.headers):
            return None
        try:
            told = json.loads((record.value or b"")[:1000])
            progress = cls(Modality(told["modality"]), int(told["partition"]), int(told["reached"]))
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            raise Malformed(f"a record marked {PROGRESS_HEADER} does not tell progress") from error
        # Believed, a watermark from the future would close every passage.
        if not (0 <= progress.partition < partitions and 0 <= progress.reached < latest):
            raise Malformed(f"a record marked {PROGRESS_HEADER} tells {progress}, which cannot be")
        return progress

    def outgoing(self, topics: Topics, home: int) -> Outgoing:
        value = {
            "modality": self.modality.value,
            "partition": self.partition,
            "reached": self.reached,
        }
        return Outgoing(
            topics.repartition,
            None,
            json.dumps(value).encode(),
            [(PROGRESS_HEADER, b"1")],
            partition=home,
        )


@dataclass(slots=True)
class _Mixed:
    reached: int
    told: int | None = None
    told_at: float = 0.0


class ProgressTeller:
    """Which topic-partitions hold other partitions' records, and what is to be told of them."""

    def __init__(self, topics: Topics, partitions: int) -> None:
        self._topics = topics
        self._partitions = partitions
        self._mixed: dict[TopicPartition, _Mixed] = {}

    def misrouted(self, tp: TopicPartition, captured_at: int) -> None:
        """A record of `tp` is being forwarded."""
        self._mixed.setdefault(tp, _Mixed(captured_at))
        self.reached(tp, captured_at)

    def reached(self, tp: TopicPartition, captured_at: int) -> None:
        """A record with that event time has been read from `tp`."""
        if state := self._mixed.get(tp):
            state.reached = max(state.reached, captured_at)

    def due(self, now: float, lagging: Iterable[TopicPartition]) -> list[Outgoing]:
        """What to tell now; send it behind everything forwarded so far.

        Args:
            now: processing time, s.
            lagging: partitions that have not been read to their end.
        """
        lagging = set(lagging)
        told: list[Outgoing] = []
        for tp, state in self._mixed.items():
            since = now - state.told_at
            moved = state.told != state.reached and since >= INTERVAL
            if moved or (tp in lagging and since >= KEEPALIVE):
                state.told, state.told_at = state.reached, now
                told.extend(self._tell(tp, state.reached))
        return told

    def _tell(self, tp: TopicPartition, reached: int) -> Iterable[Outgoing]:
        modality = self._topics.modality_of(tp.topic)
        assert modality is not None
        progress = Progress(modality, tp.partition, reached)
        for home in range(self._partitions):
            if home != tp.partition:
                yield progress.outgoing(self._topics, home)
