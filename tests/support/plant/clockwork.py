"""Virtual time: what is due happens in order; nothing else takes time."""

import heapq
from collections.abc import Callable
from itertools import count


class Clockwork:
    """Events by their times, ms.

    Attributes:
        now: the time of the event that happens.
    """

    def __init__(self, now: int) -> None:
        self.now = now
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._sequence = count()

    def at(self, time: int, event: Callable[[], None]) -> None:
        heapq.heappush(self._due, (max(time, self.now), next(self._sequence), event))

    def after(self, delay: int, event: Callable[[], None]) -> None:
        self.at(self.now + delay, event)

    def run(self, until: int) -> None:
        """Lets everything happen that is due by then."""
        while self._due and self._due[0][0] <= until:
            self.now, _, event = heapq.heappop(self._due)
            event()
        self.now = until
