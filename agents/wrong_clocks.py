"""Clocks that are so far behind the others, with nothing left to read, that they must be wrong."""

from collections.abc import Sequence
from statistics import median


def wrong_clocks(clocks: Sequence[int], max_source_lag: int) -> int:
    """Returns how many of the first clocks are more than `max_source_lag` behind the median of the
    others.

    Args:
        clocks: of stations, or of input partitions, ms, sorted.
    """
    wrong = 0
    while wrong + 1 < len(clocks):
        allowed = clocks[wrong] + max_source_lag
        if clocks[-1] <= allowed or median([*clocks[:wrong], *clocks[wrong + 1 :]]) <= allowed:
            break
        wrong += 1
    return wrong
