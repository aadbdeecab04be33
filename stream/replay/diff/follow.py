"""Compares two topics of decisions while they grow."""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress

from stream.replay.diff.compare import Comparison, Pair
from stream.replay.diff.sources import Source

PATIENCE = 60.0
LOOK_EVERY = 0.5


class Following:
    """Tells of each unit that is decided otherwise, once both sides have had the time.

    A unit is judged when both sides have come equally far with it, or when `patience` has passed
    since the last decision on it.

    Args:
        tell: is given a unit and its differing stays, none where the sides agree by now; only
            when that has changed.
        patience: seconds.
    """

    def __init__(
        self,
        comparison: Comparison,
        sources: Sequence[Source],
        tell: Callable[[str, Sequence[Pair]], None],
        patience: float = PATIENCE,
    ) -> None:
        self._comparison = comparison
        self._sources = sources
        self._tell = tell
        self._patience = patience
        self._waiting: dict[str, float] = {}
        self._told: dict[str, Sequence[Pair]] = {}

    @property
    def awaited(self) -> Collection[str]:
        """The units that are not judged yet."""
        return self._waiting.keys()

    async def run(self, seconds: float | None = None) -> None:
        """Reads and tells until it is cancelled, or for so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._run()

    async def _run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                for side, source in enumerate(self._sources):
                    tasks.create_task(self._read(side, source))
                tasks.create_task(self._watch())
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _read(self, side: int, source: Source) -> None:
        async for decision in source.decisions():
            self._comparison.add(side, decision)
            pairs = self._comparison.unit(decision.unit_id)
            self._waiting.pop(decision.unit_id, None)
            if all(pair.settled for pair in pairs):
                self._judge(decision.unit_id, pairs)
            else:
                self._waiting[decision.unit_id] = time.monotonic()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            while self._waiting:
                unit_id, since = next(iter(self._waiting.items()))
                if time.monotonic() - since < self._patience:
                    break  # the others came later
                del self._waiting[unit_id]
                self._judge(unit_id, self._comparison.unit(unit_id))

    def _judge(self, unit_id: str, pairs: Sequence[Pair]) -> None:
        differing = [pair for pair in pairs if pair.changes]
        if differing != self._told.get(unit_id, []):
            self._told[unit_id] = differing
            self._tell(unit_id, differing)
