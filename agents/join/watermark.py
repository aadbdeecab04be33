"""The watermark of one home partition: how far event time has come.

`W = min over the sources that are not idle of (largest captured_at seen) - max_out_of_orderness`
(house plan, section 4). Processing time and the wall clock are handed in.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from agents.join.arrival import BEGINNING


@dataclass(slots=True)
class _Source:
    largest: int | None
    """Largest captured_at seen, ms."""
    active_at: float
    """Processing time of the last sign of life, s."""
    at_end: bool = False
    """Everything that the broker holds of it has been read."""


class Watermark:
    """Follows the sources of one home partition: its modalities, and who forwards to it.

    Args:
        sources: named by anything hashable; each is expected to speak until it has been idle.
        max_out_of_orderness: how much older than the newest an observation may be, ms.
        idle_timeout: how long a source that is read to its end stays awaited, s.
        now: processing time, s.
        outage_hold: how long no source counts as idle after an outage, s.
    """

    def __init__(
        self,
        sources: Iterable[Hashable],
        *,
        max_out_of_orderness: int,
        idle_timeout: float,
        now: float,
        outage_hold: float = 0.0,
    ) -> None:
        self.value = BEGINNING
        self._lag = max_out_of_orderness
        self._idle_timeout = idle_timeout
        self._outage_hold = outage_hold
        self._sources = {name: _Source(None, now) for name in sources}
        self._quiet_until = now
        self._outage = False

    def observe(self, source: Hashable, captured_at: int, now: float) -> None:
        """An observation of that event time has been taken from the source."""
        state = self._sources.setdefault(source, _Source(None, now))
        if state.largest is None or captured_at > state.largest:
            state.largest = captured_at
        state.active_at = now

    def expect(self, source: Hashable, now: float) -> None:
        """Await this source too: one that others read for us, and that tells us its progress.

        What they have told has been read, so that it is idle as soon as they fall silent.
        """
        self._sources.setdefault(source, _Source(None, now, at_end=True))

    def touch(self, source: Hashable, now: float) -> None:
        """The source spoke, but nothing that has an event time (a dead letter, say)."""
        self._sources.setdefault(source, _Source(None, now)).active_at = now

    def progress(self, source: Hashable, *, at_end: bool) -> None:
        """Whether the source has been read to its end."""
        if source in self._sources:
            self._sources[source].at_end = at_end

    def is_idle(self, source: Hashable, now: float) -> bool:
        state = self._sources[source]
        return state.at_end and now - state.active_at >= self._idle_timeout

    def slowest(self, now: float) -> Hashable | None:
        """The source that holds the watermark back; None when all are idle."""
        awake = [s for s in self._sources if not self.is_idle(s, now)]
        return min(awake, key=self._reached, default=None)

    def reached(self, source: Hashable) -> int:
        """The largest event time of the source, or `BEGINNING`."""
        return self._reached(source)

    def advance(self, now: float, wall_ms: int, *, answering: bool, unread: bool = False) -> int:
        """Move the watermark as far as the sources allow; it never goes back.

        Args:
            now: processing time, s.
            wall_ms: the wall clock, ms since 1970 UTC.
            answering: the broker has answered lately. Without it the watermark stands still, and
                afterwards every source counts as just active, until the stations are back.
            unread: forwarded records wait to be read, so that no source counts as idle.
        """
        if not answering:
            self._outage = True
            return self.value
        if self._outage:
            self._outage = False
            self._quiet_until = now + self._outage_hold
            for state in self._sources.values():
                state.active_at = now
        waiting = unread or now < self._quiet_until
        awake = [
            state.largest
            for name, state in self._sources.items()
            if waiting or not self.is_idle(name, now)
        ]
        if not awake:
            self.value = max(self.value, wall_ms - self._lag)
        elif None not in awake:
            self.value = max(self.value, min(t for t in awake if t is not None) - self._lag)
        return self.value

    def _reached(self, source: Hashable) -> int:
        largest = self._sources[source].largest
        return BEGINNING if largest is None else largest
