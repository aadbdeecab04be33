"""Features of a spectrum: standard normal variate and its slope on one common axis.

SNV (subtract the mean, divide by the deviation) removes gain and offset, the derivative removes
slopes; what is left is the bands.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from agents.extract.ragged import end_to_end
from agents.machine_code import compiled
from schemas.observation import Spectral

VERSION = 1


@dataclass(frozen=True, slots=True)
class Settings:
    """What the features of a spectrum are."""

    points: int = 128
    start_nm: float = 900.0
    stop_nm: float = 1700.0
    slope_points: float = 2.0
    """Over how many points the derivative is smoothed, as a standard deviation."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows: SNV, smoothed derivative."""
        return 2, self.points


SETTINGS = Settings()


def batch(payloads: list[Spectral], settings: Settings) -> NDArray[np.float32]:
    """Shape (N, 2, points)."""
    values, ends = end_to_end([payload.intensities for payload in payloads], np.float32)
    axes, _ = end_to_end([payload.axis for payload in payloads], np.float32)
    wavenumbers = np.array([payload.unit == "cm-1" for payload in payloads])
    rows = np.empty((len(payloads), *settings.shape), np.float32)
    _describe(axes, values, ends, wavenumbers, *_axis_and_slope(settings), rows)
    return rows


@lru_cache(maxsize=4)
def _axis_and_slope(settings: Settings) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The common axis in nm, shape (points,), and the weights of the derivative of a Gaussian."""
    deviation = settings.slope_points
    reach = int(4 * deviation + 0.5)
    at = np.arange(-reach, reach + 1)
    bell = np.exp(-0.5 * (at / deviation) ** 2)
    weights = at / deviation**2 * bell / bell.sum()
    return np.linspace(settings.start_nm, settings.stop_nm, settings.points), weights


@compiled
def _describe(
    axes: NDArray[np.float32],
    intensities: NDArray[np.float32],
    ends: NDArray[np.int64],
    wavenumbers: NDArray[np.bool_],
    common: NDArray[np.float64],
    weights: NDArray[np.float64],
    rows: NDArray[np.float32],
) -> None:
    reach, last = len(weights) // 2, len(common) - 1
    slope = np.empty_like(common)
    for n in range(len(rows)):
        axis = axes[ends[n] : ends[n + 1]].astype(np.float64)
        values = intensities[ends[n] : ends[n + 1]].astype(np.float64)
        snv = _standard(_resample(axis, values, wavenumbers[n], common))
        for i in range(len(common)):
            slope[i] = 0.0
            for j in range(len(weights)):
                slope[i] += weights[j] * snv[min(max(i + j - reach, 0), last)]
        rows[n, 0] = snv
        rows[n, 1] = _standard(slope)


@compiled
def _standard(values: NDArray[np.float64]) -> NDArray[np.float64]:
    deviation = values.std()
    # A constant spectrum has no shape: zeros, not rounding noise blown up.
    if deviation <= 1e-6 * np.abs(values).max():
        return np.zeros_like(values)
    scaled: NDArray[np.float64] = (values - values.mean()) / deviation
    return scaled


@compiled
def _resample(
    axis: NDArray[np.float64],
    values: NDArray[np.float64],
    wavenumbers: bool,
    common: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Intensities at `common`; the range that was not measured repeats the nearest value."""
    if wavenumbers:
        # Wavenumbers of zero or less have no wavelength.
        physical = axis > 0
        axis, values = 1e7 / axis[physical], values[physical]
    if len(axis) == 0:
        return np.zeros_like(common)
    if axis[0] > axis[-1]:
        axis, values = axis[::-1].copy(), values[::-1].copy()
    # A finer instrument is averaged, not sampled, so that its noise shrinks as it should.
    density = len(axis) * (common[1] - common[0]) / max(axis[-1] - axis[0], 1e-9)
    if density > 2:
        values = _averaged(values, int(min(density, len(axis))))
    found: NDArray[np.float64] = np.interp(common, axis, values)
    return found


@compiled
def _averaged(values: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """The mean of `size` neighbours of each value, the ends repeated."""
    result = np.empty_like(values)
    last = len(values) - 1
    before = size // 2
    total = 0.0
    for i in range(-before, size - before):
        total += values[min(max(i, 0), last)]
    result[0] = total / size
    for i in range(1, len(values)):
        total += values[min(i + size - before - 1, last)] - values[max(i - 1 - before, 0)]
        result[i] = total / size
    return result
