"""Keeps the client library from flooding the log while a broker is away.

aiokafka logs each attempt of each of its loops, 100 lines a second and more. Every message is let
through once a minute, whatever its arguments; what it means for us is logged by those it concerns.
"""

import logging
import time

EVERY = 60.0
"""Seconds for which a message that has been logged is not logged again."""


class Seldom(logging.Filter):
    """Lets each message of a logger through once in a while."""

    def __init__(self, every: float = EVERY) -> None:
        super().__init__()
        self._every = every
        self._logged_at: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now = time.monotonic()
        message = str(record.msg)
        if now - self._logged_at.get(message, -self._every) < self._every:
            return False
        self._logged_at[message] = now
        return True


_seldom = Seldom()


def quieten_client() -> None:
    """Applies to all loggers of aiokafka that exist; its routine messages are switched off.

    Its DEBUG calls alone, disabled by the level of a handler only, cost a tenth of a worker's CPU.
    """
    logging.getLogger("aiokafka").setLevel(logging.WARNING)
    # Each commit that takes long would be told.
    logging.getLogger("mode.timers").setLevel(logging.ERROR)
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("aiokafka"):
            logging.getLogger(name).addFilter(_seldom)  # a filter is added once only
