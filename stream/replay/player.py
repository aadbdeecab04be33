"""When each record of a replay is due: its rate, and what the keys do to it."""

import asyncio
import time

SEEK_MS = 10_000
"""How far a key seeks, in the recording's time."""
HELP = "space: pause or go on, n: next record, [ and ]: 10 s back or on, - and +: rate, q: end"


class Player:
    """The time of a replay.

    Args:
        rate: seconds of the recording that pass in one; None: as fast as it goes.
        paused: wait for a key before the first record.

    Attributes:
        position: the recording's time, ms since 1970 UTC; -1 before the first record.
        seek_to: a time to go on from, which whoever reads the recording takes and clears.
        ended: somebody has had enough.
    """

    def __init__(self, rate: float | None = 1.0, *, paused: bool = False) -> None:
        self.rate = rate
        self.paused = paused
        self.position = -1
        self.seek_to: int | None = None
        self.ended = False
        self._steps = 0
        self._changed = asyncio.Event()
        self._anchor: tuple[float, int] | None = None
        """A moment of the monotonic clock, s, and the recording's time then, ms."""

    async def wait(self, due: int) -> bool:
        """Waits until the record that is due then may be sent; False: something else is to be
        done first (`seek_to`, `ended`)."""
        while not self.ended and self.seek_to is None:
            self._changed.clear()
            if self.paused:
                if self._steps:
                    self._steps -= 1
                    break
                await self._changed.wait()
                continue
            delay = self._delay(due)
            if delay <= 0:
                break
            try:
                await asyncio.wait_for(self._changed.wait(), delay)
            except TimeoutError:
                break
        else:
            return False
        self.position = max(self.position, due)
        return True

    def press(self, key: str) -> None:
        """Does what a key stands for; one that stands for nothing does nothing."""
        match key:
            case " ":
                self.paused = not self.paused
            case "n":
                self._steps += 1
            case "[" | "]":
                self.seek_to = max(self.position + (SEEK_MS if key == "]" else -SEEK_MS), 0)
                self.position = self.seek_to
            case "+" | "-" if self.rate is not None:
                self.rate *= 2.0 if key == "+" else 0.5
            case "q":
                self.ended = True
            case _:
                return
        self._anchor = None  # the time that has passed until now was at another rate
        self._changed.set()

    def restart(self) -> None:
        """Begins again, with whatever record comes next."""
        self.position, self.seek_to, self._anchor = -1, None, None

    def _delay(self, due: int) -> float:
        """Returns how long the record is to wait, s."""
        if self.rate is None:
            return 0.0
        if self._anchor is None:
            self._anchor = time.monotonic(), self.position if self.position >= 0 else due
        began, since = self._anchor
        return began + (due - since) / 1000 / self.rate - time.monotonic()
