"""Features of a thermal image: mean and maximum over a coarse grid, relative to the median.

The median stands for ambient and chassis; the maxima keep hot spots that a mean would wash out.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.extract.ragged import end_to_end
from agents.machine_code import compiled
from schemas.observation import Thermal

VERSION = 1


@dataclass(frozen=True, slots=True)
class Settings:
    """What the features of a thermal grid are."""

    rows: int = 12
    columns: int = 16
    kelvin: float = 5.0
    """What counts as 1 above the median."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels: mean, maximum."""
        return 2, self.rows, self.columns


SETTINGS = Settings()


def batch(payloads: list[Thermal], settings: Settings) -> NDArray[np.float32]:
    """Shape (N, 2, rows, columns)."""
    grids, ends = end_to_end([payload.celsius for payload in payloads], np.float32)
    sizes = np.array([payload.celsius.shape for payload in payloads], np.int64)
    rows = np.empty((len(payloads), *settings.shape), np.float32)
    _pool(grids, ends, sizes, settings.kelvin, rows)
    return rows


@compiled
def _pool(
    grids: NDArray[np.float32],
    ends: NDArray[np.int64],
    sizes: NDArray[np.int64],
    kelvin: float,
    rows: NDArray[np.float32],
) -> None:
    for n in range(len(sizes)):
        grid = grids[ends[n] : ends[n + 1]].astype(np.float64)
        median = np.median(grid)
        height, width = sizes[n]
        cells_y, cells_x = rows.shape[2:]
        # Small sensors: repeat pixels until every cell has one.
        repeat_y, repeat_x = -(-cells_y // height), -(-cells_x // width)
        tall, wide = repeat_y * height, repeat_x * width
        for i in range(cells_y):
            top, bottom = i * tall // cells_y, (i + 1) * tall // cells_y
            for j in range(cells_x):
                left, right = j * wide // cells_x, (j + 1) * wide // cells_x
                total, most = 0.0, -np.inf
                for y in range(top, bottom):
                    line = y // repeat_y * width
                    for x in range(left, right):
                        value = grid[line + x // repeat_x] - median
                        total += value
                        most = max(most, value)
                rows[n, 0, i, j] = total / ((bottom - top) * (right - left)) / kelvin
                rows[n, 1, i, j] = most / kelvin
