"""What a producer has sent to one home partition and the broker has not confirmed yet."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from support.plant.broker import Broker, Log
from support.plant.clockwork import Clockwork


@dataclass(slots=True)
class _Sending:
    value: bytes
    key: bytes | None
    confirmed: Callable[[], None]


class Channel:
    """Records to one home, in order, as an idempotent producer sends them.

    Attributes:
        frozen_at: how many of the waiting records the network still delivers while the process
            is frozen; None while it runs.
        closed: nobody hears of confirmations any more.
    """

    def __init__(
        self, clockwork: Clockwork, broker: Broker, log: Log, rng: Random, latency: int
    ) -> None:
        self._clockwork = clockwork
        self._broker = broker
        self._log = log
        self._rng = rng
        self._latency = latency
        self._waiting: deque[_Sending] = deque()
        self._scheduled = False
        self._frozen_left: int | None = None
        self._missed: list[Callable[[], None]] = []
        self._closed = False

    def send(self, key: bytes | None, value: bytes, confirmed: Callable[[], None]) -> None:
        self._waiting.append(_Sending(value, key, confirmed))
        self._schedule()

    def freeze(self) -> None:
        """The process stands still; some of what it has sent is on its way."""
        self._frozen_left = self._rng.randint(0, len(self._waiting))

    def thaw(self) -> None:
        """The process goes on, and hears what it has missed."""
        self._frozen_left = None
        missed, self._missed = self._missed, []
        for confirmed in missed:
            self._clockwork.after(self._rng.randrange(100), confirmed)
        self._schedule()

    def crash(self) -> None:
        """The process is gone; some of what it has sent arrives all the same."""
        left = self._rng.randint(0, len(self._waiting))
        while len(self._waiting) > left:
            self._waiting.pop()
        self._closed = True

    def _schedule(self) -> None:
        if self._waiting and not self._scheduled:
            self._scheduled = True
            self._clockwork.after(self._rng.randint(1, self._latency), self._deliver)

    def _deliver(self) -> None:
        self._scheduled = False
        now = self._clockwork.now
        if not self._broker.answers(now):
            self._scheduled = True
            self._clockwork.at(self._broker.back_at(now) + self._rng.randrange(500), self._deliver)
            return
        # A request carries whatever waits by then.
        while self._waiting and self._frozen_left != 0:
            sending = self._waiting.popleft()
            self._log.append(now, sending.key, sending.value)
            if self._frozen_left is not None:
                self._frozen_left -= 1
                self._missed.append(sending.confirmed)
            elif not self._closed:
                self._clockwork.after(self._rng.randint(1, self._latency), sending.confirmed)
