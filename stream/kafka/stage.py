"""What a stage of the pipeline is, and what drives it offers: two protocols, no Faust.

`StageApp` (`stream.kafka.stage_app`) drives a `Stage` and is the `Flow` that it is made with. All
calls, both ways, are made in one event loop, so a stage needs no locks.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from schemas.errors import RegradeError
from schemas.record import Batch, Reading, TopicPartition

Offsets = Mapping[TopicPartition, tuple[int, str]]
"""Of each partition the next offset to read, and the metadata that is kept with it."""


class StageFailed(RegradeError):
    """Something inside the worker stopped working without an error of its own."""


class Stage(Protocol):
    """One stage: takes batches of records, and says how far it has finished with them.

    Whatever it raises ends the worker with exit code 1.
    """

    async def start(self) -> None:
        """Connects and loads what it needs, before it is in the group.

        Raises:
            RegradeError: it cannot, in one line that says what to do.
        """

    async def stop(self) -> None:
        """Lets go of everything; called once, after the group has been left."""

    async def assign(
        self, generation: int, committed: Mapping[TopicPartition, tuple[int, str] | None]
    ) -> Mapping[TopicPartition, int]:
        """Takes over the partitions of a new generation, none perhaps; what it does not name here
        any more is not ours. Nothing of the generation is read before this returns, so it must be
        quick: what takes long is started, and the partitions that wait for it are paused.

        Args:
            generation: of the consumer group; batches bear it.
            committed: what is committed of every assigned partition; None: nothing is.

        Returns:
            Where each partition goes on. One that is left out goes on at what is committed, and
            where nothing is, at its beginning.
        """

    async def revoke(self) -> None:
        """Finishes what is in flight, before the partitions are given up (some, or all, may come
        back with the next `assign`). Cancelled when it takes too long; what is finished by then is
        committed. No batch comes between this and the next `assign`.
        """

    async def take(self, batches: Sequence[Batch]) -> None:
        """Accepts what a poll brought of one topic: at least one batch, of each partition one at
        most, in order; what comes next of the topic waits while it waits. Every batch must be given
        to `Flow.done` once."""

    def committable(self) -> Offsets:
        """Returns how far each partition is finished, of those where that has changed."""

    def committed(self, offsets: Offsets) -> None:
        """Notes that the broker has confirmed what `committable` returned."""


class Flow(Protocol):
    """What a stage may ask of whoever drives it."""

    def pause(self, tps: Collection[TopicPartition]) -> None:
        """Reads no more of these; except from within `assign`, batches under way still come."""

    def resume(self, tps: Collection[TopicPartition]) -> None:
        """Reads these again."""

    def done(self, batch: Batch) -> None:
        """The batch's bytes are no longer held."""

    def readings(self) -> Mapping[TopicPartition, Reading]:
        """Returns how far each assigned partition has been read."""

    def partition_counts(self, topics: Collection[str]) -> Mapping[str, int]:
        """Returns the partition count of each topic, as far as it is known."""

    def may_publish(self) -> bool:
        """Whether nobody else can have our partitions (`stream.kafka.lease`). Once it has said no,
        it does until the next `assign`, which then comes by itself; what was not published for that
        must be published after it, or read again."""

    def fail(self, error: BaseException) -> None:
        """Ends the process with exit code 1 within seconds."""

    def rejoin(self) -> None:
        """Asks the group for a new assignment."""
