"""Features of a thermal image: mean and maximum over a coarse grid, relative to the median.

The median stands for ambient and chassis; the maxima keep hot spots that a mean would wash out.
"""

import numpy as np
from numpy.typing import NDArray

from schemas.observation import Thermal

ROWS, COLUMNS = 12, 16
SHAPE = (2, ROWS, COLUMNS)
"""Channels: mean, maximum; in units of `KELVIN` above the median."""
KELVIN = 5.0


def _edges(length: int, cells: int) -> NDArray[np.intp]:
    """Where each of `cells` cells begins along an axis of at least as many pixels."""
    return np.arange(cells) * length // cells


def extract(payload: Thermal) -> NDArray[np.float64]:
    """Shape (2, 12, 16)."""
    grid = payload.celsius.astype(np.float64)
    grid = (grid - np.median(grid)) / KELVIN
    # Small sensors: repeat pixels until every cell has one.
    grid = grid.repeat(-(-ROWS // grid.shape[0]), axis=0)
    grid = grid.repeat(-(-COLUMNS // grid.shape[1]), axis=1)
    rows, columns = _edges(grid.shape[0], ROWS), _edges(grid.shape[1], COLUMNS)

    def pool(reduce: np.ufunc, values: NDArray[np.float64]) -> NDArray[np.float64]:
        pooled: NDArray[np.float64] = reduce.reduceat(
            reduce.reduceat(values, rows, axis=0), columns, axis=1
        )
        return pooled

    heights = np.diff(rows, append=grid.shape[0])
    widths = np.diff(columns, append=grid.shape[1])
    mean = pool(np.add, grid) / np.outer(heights, widths)
    return np.stack([mean, pool(np.maximum, grid)])
