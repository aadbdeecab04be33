"""The lease: whether the group can have given our partitions to somebody else.

The group coordinator waits for `session_timeout` after a member's last heartbeat before it gives
the member's partitions away. So for that long after a heartbeat that it accepted was sent, nobody
else owns them; after it (the process was stopped, the machine slept, the network was cut) somebody
may, and we publish nothing until a heartbeat or a new assignment says that we are members still.
"""

import logging
from collections.abc import Callable

from stream.kafka.clock import boottime

log = logging.getLogger(__name__)


class Lease:
    """Is renewed by what the coordinator confirms. Any thread may ask.

    Args:
        group: its name.
        seconds: the group's session timeout.
        now: seconds of a clock that goes on while the machine sleeps.
    """

    def __init__(self, group: str, seconds: float, now: Callable[[], float] = boottime) -> None:
        self._group = group
        self._seconds = seconds
        self._now = now
        self._renewed_at: float | None = None
        self._lapsed = False

    def renew(self, at: float) -> None:
        """Notes that the coordinator took us for a member at time `at`."""
        self._renewed_at = at

    def holds(self) -> bool:
        """Whether what we publish cannot collide with another owner's."""
        if self._renewed_at is None:
            return False
        age = self._now() - self._renewed_at
        lapsed = age > self._seconds
        if lapsed and not self._lapsed:
            log.warning(
                "Group %s has not heard of us for %.1f s; we publish nothing until it has",
                self._group,
                age,
            )
        elif self._lapsed and not lapsed:
            log.warning("Group %s counts us as a member again", self._group)
        self._lapsed = lapsed
        return not lapsed
