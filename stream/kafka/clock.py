"""The clock that leases and answers are measured with."""

import time

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boottime() -> float:
    """Returns seconds that never go back and also pass while the machine is suspended."""
    return time.clock_gettime(_CLOCK)
