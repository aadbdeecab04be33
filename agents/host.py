"""What the agents ask of whoever runs them: the stream layer, or a test."""

from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from typing import Any, Protocol

from schemas.record import Batch, Outgoing, Reading, TopicPartition


class Host(Protocol):
    """Reads partitions for an agent and runs its tasks."""

    def wall_ms(self) -> int:
        """Returns the wall clock, ms since 1970 UTC."""
        ...

    def readings(self) -> Mapping[TopicPartition, Reading]:
        """Returns how far each assigned partition has been read."""
        ...

    def partition_counts(self, topics: Collection[str]) -> Mapping[str, int]:
        """Returns the partition count of each topic, as far as it is known."""
        ...

    def done(self, batch: Batch) -> None:
        """Gives the bytes of a batch back to the budget of what is in flight."""
        ...

    def may_publish(self) -> bool:
        """Whether nobody else can own what we were assigned."""
        ...

    def rejoin(self) -> None:
        """Asks the group for a new assignment."""
        ...

    def pause(self, tps: Collection[TopicPartition]) -> None:
        """Stops reading these partitions."""
        ...

    def resume(self, tps: Collection[TopicPartition]) -> None:
        """Reads these partitions again."""
        ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> Any:
        """Runs a task whose failure ends the process; returns the asyncio task."""
        ...


class Publisher(Protocol):
    """Publishes records."""

    async def deliver(self, records: Sequence[Outgoing], ours: Callable[[], bool]) -> bool:
        """Publishes records until each is confirmed.

        Returns:
            False where `ours` says that we may not publish any more: then some are not.
        """
        ...

    async def attempt(self, record: Outgoing) -> Any:
        """Publishes one record and tries no second time; returns what the broker says of it (its
        `timestamp` and `timestamp_type`), None where it does not confirm it."""
        ...
