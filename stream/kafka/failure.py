"""The end of a worker that cannot go on: one log line, then exit code 1, whatever hangs.

A worker that is alive is working. So whatever fails inside ends the process: gracefully where that
is possible (what is finished is committed, the group is left), and hard a little later where not.
"""

import logging
import os
import threading

from schemas.errors import RegradeError

log = logging.getLogger(__name__)

GRACE = 7.0
"""Seconds for a graceful end after a failure."""


class Failure:
    """What has failed in this process, if anything; the first failure counts."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self._lock = threading.Lock()

    def report(self, error: BaseException, where: str) -> bool:
        """Logs the error and sees to it that the process ends within `GRACE`. Any thread.

        Returns:
            False if something had failed before.
        """
        with self._lock:
            if self.error is not None:
                return False
            self.error = error
        expected = isinstance(error, RegradeError)
        log.critical(
            "%s failed, so this worker ends; a restart goes on from what is committed: %s",
            where,
            error if expected else repr(error),
            exc_info=None if expected and not log.isEnabledFor(logging.DEBUG) else error,
        )
        end_within(GRACE)
        return True


def end_within(seconds: float) -> threading.Timer:
    """Ends the process hard, with exit code 1, unless the timer is cancelled or it ends earlier."""
    timer = threading.Timer(seconds, _end)
    timer.daemon = True
    timer.start()
    return timer


def _end() -> None:
    log.critical("The worker hangs and is ended")
    logging.shutdown()
    os._exit(1)
