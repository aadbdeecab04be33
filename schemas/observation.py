"""An observation: one reading of one modality of one unit.

Frozen dataclasses hold what a record says, in natural units, whatever its encoding was.
Construction validates: an `Observation` that exists is one that the rest of the house can use.
"""

import re
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from schemas.errors import InvalidField
from schemas.ids import check_id, check_unit_id
from schemas.modality import Modality
from schemas.times import check_time

Float32 = NDArray[np.float32]


def _finite(name: str, values: NDArray[np.floating]) -> None:
    if not np.isfinite(values).all():
        raise InvalidField(f"{name} holds NaN or infinity; send finite numbers only")


@dataclass(frozen=True, slots=True, eq=False)
class Visual:
    """A photograph, still compressed: JPEG or PNG bytes."""

    modality: ClassVar[Modality] = Modality.VISUAL
    image: bytes
    media_type: Literal["image/jpeg", "image/png"]

    def __post_init__(self) -> None:
        magic = {"image/jpeg": b"\xff\xd8\xff", "image/png": b"\x89PNG\r\n\x1a\n"}
        if self.media_type not in magic:
            raise InvalidField(f"media_type {self.media_type!r} is not image/jpeg or image/png")
        if not self.image.startswith(magic[self.media_type]):
            raise InvalidField(f"image does not start like {self.media_type}")


@dataclass(frozen=True, slots=True, eq=False)
class Spectral:
    """A spectrum: intensities, shape (N,), over an axis of N positions."""

    modality: ClassVar[Modality] = Modality.SPECTRAL
    intensities: Float32
    axis: Float32
    """Position of each intensity, shape (N,), in `unit`, strictly monotonic."""
    unit: Literal["nm", "cm-1"]

    def __post_init__(self) -> None:
        if self.unit not in ("nm", "cm-1"):
            raise InvalidField(f"axis unit {self.unit!r} is not nm or cm-1")
        if self.intensities.ndim != 1 or len(self.intensities) < 8:
            raise InvalidField("intensities must be a vector of at least 8 points")
        if self.axis.shape != self.intensities.shape:
            raise InvalidField(
                f"axis has {self.axis.size} positions for {self.intensities.size} intensities"
            )
        _finite("intensities", self.intensities)
        _finite("axis", self.axis)
        before, after = self.axis[:-1], self.axis[1:]
        if not ((before < after).all() or (before > after).all()):
            raise InvalidField("axis must be strictly monotonic")


@dataclass(frozen=True, slots=True)
class Text:
    """A technician's note and its BCP 47 language tag."""

    modality: ClassVar[Modality] = Modality.TEXT
    text: str
    language: str

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise InvalidField("text is empty")
        try:
            self.text.encode()
        except UnicodeEncodeError:  # it could not be sent
            raise InvalidField("text holds a lone surrogate, which UTF-8 cannot carry") from None
        if not re.fullmatch(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*", self.language):
            raise InvalidField(f"language {self.language[:40]!r} is not a BCP 47 tag such as en-GB")


@dataclass(frozen=True, slots=True, eq=False)
class Thermal:
    """A thermal image: degrees Celsius, shape (rows, columns)."""

    modality: ClassVar[Modality] = Modality.THERMAL
    celsius: Float32

    def __post_init__(self) -> None:
        if self.celsius.ndim != 2 or min(self.celsius.shape) < 2:
            raise InvalidField("celsius must be a grid of at least 2 x 2")
        _finite("celsius", self.celsius)
        if self.celsius.min() < -273.15 or self.celsius.max() > 2000:
            raise InvalidField("celsius is outside -273.15 to 2000; is it in another unit?")


@dataclass(frozen=True, slots=True, eq=False)
class Acoustic:
    """A mono recording: samples in [-1, 1], shape (N,), at `sample_rate` Hz."""

    modality: ClassVar[Modality] = Modality.ACOUSTIC
    samples: Float32
    sample_rate: int

    def __post_init__(self) -> None:
        if not 1_000 <= self.sample_rate <= 384_000:
            raise InvalidField(f"sample_rate {self.sample_rate} is outside 1000 to 384000 Hz")
        if self.samples.ndim != 1 or len(self.samples) < 256:
            raise InvalidField("samples must be a vector of at least 256 samples")
        _finite("samples", self.samples)


@dataclass(frozen=True, slots=True, eq=False)
class Battery:
    """A charge-cycle table: three columns, each of shape (N,), cycle numbers increasing."""

    modality: ClassVar[Modality] = Modality.BATTERY
    cycle: NDArray[np.int32]
    capacity: Float32
    """In Ah."""
    resistance: Float32
    """Internal resistance, in ohm."""

    def __post_init__(self) -> None:
        if self.cycle.ndim != 1 or not len(self.cycle) >= 1:
            raise InvalidField("the cycle table is empty")
        if not (self.cycle.shape == self.capacity.shape == self.resistance.shape):
            raise InvalidField("the columns of the cycle table differ in length")
        if (self.cycle < 0).any() or (np.diff(self.cycle) <= 0).any():
            raise InvalidField("cycle numbers must be non-negative and increasing")
        _finite("capacity", self.capacity)
        _finite("resistance", self.resistance)
        if (self.capacity < 0).any() or (self.capacity > 10_000).any():
            raise InvalidField("capacity is outside 0 to 10000 Ah")
        if (self.resistance < 0).any() or (self.resistance > 1_000).any():
            raise InvalidField("internal resistance is outside 0 to 1000 ohm")


Payload = Visual | Spectral | Text | Thermal | Acoustic | Battery


@dataclass(frozen=True, slots=True)
class Observation:
    """One reading of one modality of one unit.

    Raises:
        InvalidField: an identifier or the time breaks the contract.
    """

    unit_id: str
    """1 to 128 characters of `A-Z a-z 0-9 . _ : / -`."""
    observation_id: str
    """Unique for its unit and modality; the same id twice counts once."""
    captured_at: int
    """Event time, in ms since 1970 UTC."""
    source: str
    """The station that saw it."""
    payload: Payload

    def __post_init__(self) -> None:
        check_unit_id(self.unit_id)
        check_id("observation_id", self.observation_id)
        check_id("source", self.source)
        check_time("captured_at", self.captured_at)

    @property
    def modality(self) -> Modality:
        return self.payload.modality
