"""One log line when something begins to fail, and one when it works again."""

import logging
import time

log = logging.getLogger(__name__)


class Outage:
    """Remembers whether something is failing.

    Args:
        what: what fails, as the subject of a sentence: "Publishing".
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._since: float | None = None

    def fails(self, error: BaseException) -> None:
        """Notes a failure that is being retried; logs only the first in a row."""
        if self._since is None:
            self._since = time.monotonic()
            reason = str(error) or type(error).__name__
            log.warning("%s does not work at present (%s); trying again", self._what, reason)

    def works(self) -> None:
        """Notes a success; logs only the first after a failure."""
        if self._since is not None:
            seconds, self._since = time.monotonic() - self._since, None
            log.warning("%s works again after %.1f s", self._what, seconds)
