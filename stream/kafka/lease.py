"""The lease: whether the group can have given our partitions to somebody else.

The group coordinator waits for `session_timeout` after a member's last heartbeat before it gives
the member's partitions away. So for that long after a heartbeat that it accepted was sent, nobody
else owns them. After it (the process was stopped, the machine slept, the network was cut) somebody
may, and we publish nothing until we have been assigned partitions anew.
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
        self._renewed_at = now()
        self._lapsed = True

    def begin(self, at: float) -> None:
        """Notes that we have been assigned partitions at time `at`."""
        self._renewed_at, self._lapsed = at, False

    def renew(self, at: float) -> None:
        """Notes that the coordinator has accepted a heartbeat that was sent at time `at`.

        It does not mend a lease of which somebody was told that it has lapsed: what was not
        published then would be missing.
        """
        self._renewed_at = at

    def holds(self) -> bool:
        """Whether what we publish cannot collide with another owner's."""
        age = self._now() - self._renewed_at
        if not self._lapsed and age > self._seconds:
            self._lapsed = True
            log.warning(
                "Group %s has not heard of us for %.1f s; we publish nothing until it assigns anew",
                self._group,
                age,
            )
        return not self._lapsed
