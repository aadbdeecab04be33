"""The spectrometer: near-infrared reflectance of the housing, through its paint.

Absorbance is a sum of overtone bands: those of the polymers by their share, those of the paint's
binder by its thickness. Metals have no bands, only slopes. Gain, baseline and noise vary.
"""

import numpy as np
from numpy.typing import NDArray

from agents.lab.simulator.latents import Latents
from schemas.decision import Material
from schemas.observation import Float32, Spectral

AXIS_NM: Float32 = np.linspace(900, 1700, 161, dtype=np.float32)

Curve = NDArray[np.float64]


def _bands(*bands: tuple[float, float, float]) -> Curve:
    """Absorbance of (centre in nm, width in nm, height) bands, shape (161,)."""
    centre, width, height = np.array(bands).T[:, :, None]
    total: Curve = (height * np.exp(-0.5 * ((AXIS_NM - centre) / width) ** 2)).sum(axis=0)
    return total


# Second overtones of C-H near 1200 nm, combinations near 1400, first overtones from 1500 on:
# aromatic rings (styrene, carbonate) near 1140 and 1670, N-H of the amide near 1500 to 1540.
_STYRENE = _bands((1143, 9, 0.24), (1207, 16, 0.14), (1415, 22, 0.10), (1680, 12, 0.42))
_CARBONATE = _bands((1133, 8, 0.16), (1192, 12, 0.12), (1408, 14, 0.14), (1662, 10, 0.46))
_AMIDE = _bands((1193, 18, 0.26), (1393, 20, 0.16), (1500, 26, 0.26), (1542, 18, 0.18))
_GLASS = _bands((1390, 60, 0.12))  # silanol of the sizing
_BINDER = _bands((1186, 20, 0.18), (1425, 30, 0.14), (1690, 24, 0.22), (1520, 34, 0.06))
_LABEL = _bands((1130, 10, 0.18), (1175, 12, 0.10), (1412, 12, 0.12), (1660, 12, 0.34))  # PET
_OXIDE = _bands((1400, 16, 0.16), (1440, 30, 0.08))  # hydroxide on magnesium
_SLOPE: Curve = (AXIS_NM.astype(np.float64) - 1300) / 400


def _absorbance(rng: np.random.Generator, material: Material) -> Curve:
    match material:
        case Material.ABS:
            carbonate = rng.uniform(0.0, 0.12)  # recycled ABS carries some polycarbonate
            return 0.30 + (1 - carbonate) * _STYRENE + carbonate * _CARBONATE
        case Material.PC_ABS:
            carbonate = rng.uniform(0.5, 0.75)
            return 0.30 + (1 - carbonate) * _STYRENE + carbonate * _CARBONATE
        case Material.PA_GF:
            fibre = rng.uniform(0.2, 0.4)
            return 0.34 + (1 - fibre) * _AMIDE + fibre * _GLASS
        case Material.ALUMINIUM:
            return 0.16 - 0.07 * _SLOPE
        case Material.MAGNESIUM:
            return 0.26 + 0.03 * _SLOPE + rng.uniform(0.5, 1.2) * _OXIDE


def measure(rng: np.random.Generator, unit: Latents) -> Spectral:
    """One reading, 161 points from 900 to 1700 nm."""
    paint = rng.uniform(0.3, 0.8)
    absorbance = (1 - 0.55 * paint) * _absorbance(rng, unit.model.material) + paint * _BINDER
    if rng.random() < 0.03:  # the probe met an asset label
        absorbance = 0.25 * absorbance + _LABEL
    absorbance = absorbance + 0.1 * unit.dirt + rng.normal(0.0, 0.03) * _SLOPE
    absorbance = absorbance + rng.normal(0.0, 0.02) * _SLOPE**2
    reflectance = rng.uniform(0.8, 1.1) * 10**-absorbance
    noise = rng.normal(0.0, 0.006, len(AXIS_NM))
    return Spectral(
        intensities=np.maximum(reflectance + noise, 0.0).astype(np.float32),
        axis=AXIS_NM.copy(),
        unit="nm",
    )
