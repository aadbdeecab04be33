"""The infrared camera: the warm underside after five minutes of load, 24 x 32 pixels.

The processor's spot is normal. A failing board adds a small one elsewhere, corrosion a diffuse
one, a swollen battery a warm patch in its place; a unit that came from the charger has a warm
battery, too, but evenly so.
"""

import numpy as np
from numpy.typing import NDArray

from agents.lab.simulator.labels import PRESENT, SWOLLEN_MM
from agents.lab.simulator.latents import Latents
from schemas.observation import Thermal

ROWS, COLUMNS = 24, 32

_ROWS, _COLUMNS = np.mgrid[0:ROWS, 0:COLUMNS].astype(np.float64)

Grid = NDArray[np.float64]


def _spot(row: float, column: float, radius: float) -> Grid:
    """A Gaussian of height 1 at fractions of the image, `radius` in pixels."""
    distance = (_ROWS - row * (ROWS - 1)) ** 2 + (_COLUMNS - column * (COLUMNS - 1)) ** 2
    spot: Grid = np.exp(-distance / (2 * radius * radius))
    return spot


def measure(rng: np.random.Generator, unit: Latents) -> Thermal:
    """Temperatures in degrees Celsius, as the camera shows them (not corrected for emissivity)."""
    platform = unit.model.platform
    warmer = np.zeros((ROWS, COLUMNS))
    row, column = platform.cpu
    load = rng.uniform(9, 15) * (1 + 0.25 * unit.dust)
    warmer += load * _spot(row, column, 3.6) + 0.35 * load * _spot(0.3, 0.5, 9.0)

    if unit.board_fault >= PRESENT:
        warmer += (1.5 + 8 * unit.board_fault) * _spot(*unit.hot_spot, rng.uniform(1.1, 1.9))
    for _ in range(2):  # chips that run warm on a healthy board
        place = rng.uniform(0.08, 0.52), rng.uniform(0.1, 0.9)
        warmer += rng.uniform(0.5, 2.2) * _spot(*place, rng.uniform(1.2, 2.2))
    warmer += 4.0 * unit.corrosion * _spot(*unit.hot_spot, 5.0)

    left, right = (fraction * COLUMNS for fraction in platform.battery_columns)
    battery = (
        (_ROWS > 0.62 * ROWS) & (abs(_COLUMNS - (left + right) / 2) < (right - left) / 2)
    ).astype(np.float64)
    warmer += 2.2 * (unit.resistance_growth - 1) * battery
    if rng.random() < 0.2:
        warmer += rng.uniform(1.0, 4.0) * battery  # taken off the charger just before
    if unit.swelling_mm >= SWOLLEN_MM:
        cell = rng.uniform(left + 3, right - 3) / COLUMNS
        warmer += rng.uniform(1.8, 6.0) * _spot(rng.uniform(0.74, 0.9), cell, rng.uniform(3, 4.5))

    ambient = rng.normal(23.0, 2.0)
    grid = ambient + platform.emissivity * warmer + rng.normal(0.0, 0.3, (ROWS, COLUMNS))
    grid += rng.normal(0.0, 0.12, COLUMNS)  # fixed-pattern noise of the columns
    return Thermal(celsius=grid.astype(np.float32))
