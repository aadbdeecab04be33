"""Features of a spectrum: standard normal variate and its slope on one common axis.

SNV (subtract the mean, divide by the deviation) removes gain and offset, the derivative removes
slopes; what is left is the bands.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, uniform_filter1d

from schemas.observation import Spectral

POINTS = 128
AXIS_NM = np.linspace(900.0, 1700.0, POINTS)
SHAPE = (2, POINTS)
"""Rows: SNV, smoothed derivative."""


def _on_axis(payload: Spectral) -> NDArray[np.float64]:
    """Intensities at `AXIS_NM`; the range that was not measured repeats the nearest value."""
    axis = payload.axis.astype(np.float64)
    values = payload.intensities.astype(np.float64)
    if payload.unit == "cm-1":
        # Wavenumbers of zero or less have no wavelength.
        physical = axis > 0
        axis, values = 1e7 / axis[physical], values[physical]
    if not len(axis):
        return np.zeros(POINTS)
    order = np.argsort(axis)
    axis, values = axis[order], values[order]
    # A finer instrument is averaged, not sampled, so that its noise shrinks as it should.
    density = len(axis) * (AXIS_NM[1] - AXIS_NM[0]) / max(axis[-1] - axis[0], 1e-9)
    if density > 2:
        values = uniform_filter1d(values, int(min(density, len(axis))), mode="nearest")
    return np.interp(AXIS_NM, axis, values)


def _standard(values: NDArray[np.float64]) -> NDArray[np.float64]:
    deviation = values.std()
    # A constant spectrum has no shape: zeros, not rounding noise blown up.
    if deviation <= 1e-6 * np.abs(values).max():
        return np.zeros_like(values)
    scaled: NDArray[np.float64] = (values - values.mean()) / deviation
    return scaled


def extract(payload: Spectral) -> NDArray[np.float64]:
    """Shape (2, 128)."""
    snv = _standard(_on_axis(payload))
    return np.stack([snv, _standard(gaussian_filter1d(snv, 2.0, order=1, mode="nearest"))])
