"""The laptop models that come back: what is the same for every unit of a model.

Models of one platform share board, fan and battery, and look alike, but differ in what their
painted housing is made of: only a spectrum tells them apart, as on a real sorting line.
"""

from dataclasses import dataclass
from enum import StrEnum

from schemas.decision import Material


class Chemistry(StrEnum):
    """Cathode of the battery."""

    LCO = "LCO"
    NMC = "NMC"
    LFP = "LFP"


@dataclass(frozen=True, slots=True)
class Platform:
    """What the models of one platform share."""

    name: str
    colour: tuple[int, int, int]
    """Paint of the housing, 8-bit sRGB."""
    key_colour: tuple[int, int, int]
    emissivity: float
    """Of the painted housing, 0 to 1: a low one makes everything look cooler."""
    cpu: tuple[float, float]
    """Where the processor lies, (row, column) as fractions of the thermal image."""
    battery_columns: tuple[float, float]
    """Horizontal extent of the battery, as fractions of the thermal image."""
    rated_ah: float
    chemistries: tuple[Chemistry, ...]
    fan_blades: int
    fan_rpm: float
    """Speed under the test load, clean and new."""
    key_rows: int
    key_columns: int


@dataclass(frozen=True, slots=True)
class DeviceModel:
    """A model: a platform in a housing of one material."""

    name: str
    platform: Platform
    material: Material


_TERN = Platform(
    name="Tern 13",
    colour=(176, 178, 182),
    key_colour=(42, 42, 46),
    emissivity=0.84,
    cpu=(0.28, 0.38),
    battery_columns=(0.20, 0.80),
    rated_ah=4.6,
    chemistries=(Chemistry.LCO, Chemistry.NMC),
    fan_blades=29,
    fan_rpm=4600,
    key_rows=5,
    key_columns=12,
)
_HERON = Platform(
    name="Heron 14",
    colour=(52, 54, 60),
    key_colour=(24, 24, 26),
    emissivity=0.93,
    cpu=(0.30, 0.60),
    battery_columns=(0.12, 0.70),
    rated_ah=5.2,
    chemistries=(Chemistry.NMC, Chemistry.LCO),
    fan_blades=37,
    fan_rpm=3900,
    key_rows=5,
    key_columns=13,
)
_OSPREY = Platform(
    name="Osprey 15",
    colour=(96, 100, 108),
    key_colour=(30, 31, 34),
    emissivity=0.90,
    cpu=(0.26, 0.48),
    battery_columns=(0.26, 0.90),
    rated_ah=6.3,
    chemistries=(Chemistry.NMC, Chemistry.LFP),
    fan_blades=31,
    fan_rpm=3500,
    key_rows=5,
    key_columns=15,
)
_STILT = Platform(
    name="Stilt 12",
    colour=(206, 204, 198),
    key_colour=(228, 228, 226),
    emissivity=0.88,
    cpu=(0.32, 0.66),
    battery_columns=(0.16, 0.84),
    rated_ah=3.9,
    chemistries=(Chemistry.LCO, Chemistry.LFP),
    fan_blades=27,
    fan_rpm=4100,
    key_rows=4,
    key_columns=11,
)

MODELS: tuple[DeviceModel, ...] = (
    DeviceModel("Tern 13 Pro", _TERN, Material.ALUMINIUM),
    DeviceModel("Tern 13", _TERN, Material.PC_ABS),
    DeviceModel("Tern 13 Go", _TERN, Material.ABS),
    DeviceModel("Heron 14 X", _HERON, Material.MAGNESIUM),
    DeviceModel("Heron 14", _HERON, Material.PA_GF),
    DeviceModel("Heron 14 Lite", _HERON, Material.ABS),
    DeviceModel("Osprey 15 Pro", _OSPREY, Material.ALUMINIUM),
    DeviceModel("Osprey 15 X", _OSPREY, Material.MAGNESIUM),
    DeviceModel("Osprey 15", _OSPREY, Material.PA_GF),
    DeviceModel("Stilt 12 X", _STILT, Material.MAGNESIUM),
    DeviceModel("Stilt 12", _STILT, Material.PC_ABS),
    DeviceModel("Stilt 12 Edu", _STILT, Material.ABS),
)
"""All models; train on some and test on others to measure models never seen."""
