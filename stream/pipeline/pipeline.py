"""The pipeline: outlives rebalances and holds the generation that is in force."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Mapping

from stream.errors import CoPartitionError
from stream.pipeline.generation import Generation
from stream.pipeline.machinery import Machinery
from stream.pipeline.record import Record, TopicPartition

log = logging.getLogger(__name__)


class Pipeline:
    """Feeds records to the current generation; replaces it when partitions are reassigned.

    Args:
        crashed: told of an error that only a restart can repair.
    """

    def __init__(self, machinery: Machinery, crashed: Callable[[BaseException], None]) -> None:
        self._machinery = machinery
        self._crashed = crashed
        self._generation: Generation | None = None
        self._task: asyncio.Task[None] | None = None
        self._number: int | None = None

    def assign(self, number: int, assigned: Collection[TopicPartition]) -> None:
        """Partitions have been assigned to this worker.

        Args:
            number: of the consumer group's generation.

        Raises:
            CoPartitionError: not every input of a home partition came to this worker.
        """
        homes = frozenset(tp.partition for tp in assigned)
        inputs = self._machinery.topics.inputs
        for home in homes:
            apart = [topic for topic in inputs if TopicPartition(topic, home) not in assigned]
            if apart:
                raise CoPartitionError(
                    f"partition {home} of {', '.join(apart)} went to another worker than the rest;"
                    " all workers of a group must run the same version and settings"
                )
        self._generation, self._number = Generation(homes, self._machinery), number
        self._task = asyncio.create_task(self._watch(self._generation))
        log.info("Generation %d: partitions %s", number, sorted(homes))

    async def revoke(self) -> None:
        """Partitions are being revoked: finish what is in flight, briefly, and forget the rest.

        What has been finished may still be committed, until `forget`.
        """
        if self._generation is None or self._task is None:
            return
        self._generation.close()
        self._number = None
        limit = min(
            self._machinery.settings.rebalance_timeout / 2,
            self._machinery.settings.shutdown_timeout / 2,
        )
        with contextlib.suppress(TimeoutError, asyncio.CancelledError):
            await asyncio.wait_for(self._task, limit)

    def forget(self) -> None:
        """The partitions are gone: nothing of them may be committed any more."""
        self._generation = None

    async def take(self, number: int, record: Record) -> None:
        """Accept a record that generation `number` fetched; older ones are dropped.

        What is dropped has not been committed and is read again by whoever owns it now.
        """
        if self._generation is not None and number == self._number:
            await self._generation.take(record)

    def committable(self) -> dict[TopicPartition, int]:
        """Offsets up to which everything is finished, beyond what is committed."""
        return {} if self._generation is None else self._generation.frontier.committable()

    def committed(self, offsets: Mapping[TopicPartition, int]) -> None:
        """The broker has confirmed these offsets."""
        if self._generation is not None:
            self._generation.frontier.committed(offsets)

    async def _watch(self, generation: Generation) -> None:
        try:
            await generation.run()
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            log.critical("The pipeline failed; a restart resumes from what is committed")
            self._crashed(error)
