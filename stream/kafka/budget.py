"""The byte budget: how much of what was read may wait inside the process."""

import asyncio

from schemas.record import Batch


class Budget:
    """Counts the bytes of batches that have been handed out and are not done.

    It counts within one generation of the group: what an earlier one handed out is forgotten, so
    that batches that went down with it (in Faust's queues, in a stage's) cannot exhaust it.

    Args:
        limit: bytes; the batch that exceeds it is still handed out, so a large record gets through.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: set[Batch] = set()
        self._bytes = 0
        self._room = asyncio.Event()
        self._room.set()

    @property
    def used(self) -> int:
        """Bytes in flight."""
        return self._bytes

    @property
    def room(self) -> int:
        """Bytes that may still be read."""
        return max(self._limit - self._bytes, 0)

    def take(self, batch: Batch) -> None:
        """Counts a batch that is being handed out."""
        self._held.add(batch)
        self._bytes += batch.size
        if self._bytes >= self._limit:
            self._room.clear()

    def give_back(self, batch: Batch) -> None:
        """Counts it no more; does nothing where it does not count any more anyway."""
        if batch in self._held:
            self._held.remove(batch)
            self._bytes -= batch.size
            if self._bytes < self._limit:
                self._room.set()

    def forget(self) -> None:
        """Starts a new generation."""
        self._held.clear()
        self._bytes = 0
        self._room.set()

    async def wait_for_room(self) -> None:
        """Returns when at least one more byte may be read."""
        await self._room.wait()
