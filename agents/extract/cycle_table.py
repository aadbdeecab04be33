"""Features of a cycle table: both curves on a common axis, relative to their start, and a summary.

The first row is taken for the pack's new state, which it is unless the log's beginning was lost;
the summary's absolute figures help then.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.extract.ragged import end_to_end
from agents.machine_code import compiled
from schemas.observation import Battery

VERSION = 1
SUMMARY = 10
_TINY = 1e-6


@dataclass(frozen=True, slots=True)
class Settings:
    """What the features of a cycle table are."""

    points: int = 32
    """Of each curve, from the first cycle to the last."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Capacity curve, resistance curve, summary."""
        return (2 * self.points + SUMMARY,)


SETTINGS = Settings()


def batch(payloads: list[Battery], settings: Settings) -> NDArray[np.float32]:
    """Shape (N, 2 * points + 10)."""
    cycle, ends = end_to_end([payload.cycle for payload in payloads], np.float64)
    capacity, _ = end_to_end([payload.capacity for payload in payloads], np.float64)
    resistance, _ = end_to_end([payload.resistance for payload in payloads], np.float64)
    rows = np.empty((len(payloads), *settings.shape), np.float32)
    _describe(cycle, capacity, resistance, ends, settings.points, rows)
    return rows


@compiled
def _start(values: NDArray[np.float64]) -> float:
    """The curve's level at its start: the median of the first rows, against noise."""
    return max(np.median(values[: max(1, min(3, len(values) // 4))]), _TINY)


@compiled
def _describe(
    cycles: NDArray[np.float64],
    capacities: NDArray[np.float64],
    resistances: NDArray[np.float64],
    ends: NDArray[np.int64],
    points: int,
    rows: NDArray[np.float32],
) -> None:
    tail = max(1, points // 8)
    for n in range(len(rows)):
        cycle = cycles[ends[n] : ends[n + 1]]
        capacity = capacities[ends[n] : ends[n + 1]]
        resistance = resistances[ends[n] : ends[n + 1]]
        at = np.linspace(cycle[0], cycle[-1], points)
        kept = np.interp(at, cycle, capacity) / _start(capacity)
        grown = np.interp(at, cycle, resistance) / _start(resistance)
        rows[n, :points] = 5 * (kept - 0.9)
        rows[n, points : 2 * points] = 2 * (grown - 1.2)
        rows[n, 2 * points :] = (
            10 * (kept[-tail:].mean() - 0.8),
            5 * (kept[-tail:].mean() - kept[points // 2 : points // 2 + tail].mean()),
            2 * (grown[-tail:].mean() - 1.3),
            10 * kept.std(),
            np.log(capacity[-1] + _TINY) - np.log(4.0),
            np.log(_start(capacity)) - np.log(4.0),
            np.log(resistance[-1] + _TINY) - np.log(0.08),
            cycle[0] / 250,
            cycle[-1] / 500 - 1,
            len(cycle) / 30 - 1,
        )
