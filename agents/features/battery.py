"""Features of a cycle table: both curves on a common axis, relative to their start, and a summary.

The first row is taken for the pack's new state, which it is unless the log's beginning was lost;
the summary's absolute figures help then.
"""

import numpy as np
from numpy.typing import NDArray

from schemas.observation import Battery

POINTS = 32
SUMMARY = 10
SHAPE = (2 * POINTS + SUMMARY,)
_TINY = 1e-6


def _start(values: NDArray[np.float64]) -> float:
    """The curve's level at its start: the median of the first rows, against noise."""
    return max(float(np.median(values[: max(1, min(3, len(values) // 4))])), _TINY)


def extract(payload: Battery) -> NDArray[np.float64]:
    """Shape (74,): capacity curve, resistance curve, summary."""
    cycle = payload.cycle.astype(np.float64)
    capacity = payload.capacity.astype(np.float64)
    resistance = payload.resistance.astype(np.float64)
    at = np.linspace(cycle[0], cycle[-1], POINTS)
    kept = np.interp(at, cycle, capacity) / _start(capacity)
    grown = np.interp(at, cycle, resistance) / _start(resistance)
    tail = max(1, POINTS // 8)
    summary = [
        10 * (kept[-tail:].mean() - 0.8),
        5 * (kept[-tail:].mean() - kept[POINTS // 2 : POINTS // 2 + tail].mean()),
        2 * (grown[-tail:].mean() - 1.3),
        10 * kept.std(),
        np.log(capacity[-1] + _TINY) - np.log(4.0),
        np.log(_start(capacity)) - np.log(4.0),
        np.log(resistance[-1] + _TINY) - np.log(0.08),
        cycle[0] / 250,
        cycle[-1] / 500 - 1,
        len(cycle) / 30 - 1,
    ]
    return np.concatenate([5 * (kept - 0.9), 2 * (grown - 1.2), np.array(summary)])
