"""From the fields of a record, whatever its encoding was, to a payload.

Fields are what a record says under the names of the `.avsc` files. Binary fields hold bytes (Avro),
base64 or lists (JSON), or a claim check; everything else has the type that the schema promises.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np

from schemas.arrays import numbers, raw_bytes
from schemas.errors import InvalidField, TooLarge
from schemas.image_header import check_pixels
from schemas.limits import Limits
from schemas.modality import Modality
from schemas.observation import (
    Acoustic,
    Battery,
    Float32,
    Payload,
    Spectral,
    Text,
    Thermal,
    Visual,
)
from schemas.single_object import Fields

PCM16_SCALE = 32768


def read_payload(modality: Modality, fields: Fields, limits: Limits) -> Payload:
    """The payload of a record.

    Raises:
        RecordError: a bound is exceeded, a field breaks the contract, a claim check.
    """
    return _READERS[modality](fields, limits)


def _visual(fields: Fields, limits: Limits) -> Visual:
    payload = Visual(raw_bytes("image", fields["image"]), fields["media_type"])
    check_pixels(payload.image, payload.media_type, limits.pixels)
    return payload


def _spectral(fields: Fields, limits: Limits) -> Spectral:
    limit = limits.spectrum_points
    intensities = numbers("intensities", fields["intensities"], np.float32, limit)
    axis = fields["axis"]
    if "positions" in axis:
        positions = numbers("axis.positions", axis["positions"], np.float32, limit)
    else:
        positions = linear_axis(axis["start"], axis["stop"], len(intensities))
    return Spectral(intensities, positions, axis["unit"])


def linear_axis(start: float, stop: float, count: int) -> Float32:
    """`count` evenly spaced positions from `start` to `stop`, both included, shape (count,).

    Computed in float64 and rounded once, so that every reader gets the same float32. Ends beyond
    float32 give infinities, which `Spectral` refuses.
    """
    return _linear_axis(start, stop, count).copy()


# A spectrometer sends the same axis with every spectrum.
@lru_cache(maxsize=16)
def _linear_axis(start: float, stop: float, count: int) -> Float32:
    with np.errstate(over="ignore", invalid="ignore"):
        return np.linspace(start, stop, count, dtype=np.float64).astype(np.float32)


def _text(fields: Fields, limits: Limits) -> Text:
    text: str = fields["text"]
    if len(text) > limits.text_characters:
        raise TooLarge(
            f"text has {len(text)} characters; at most {limits.text_characters} are allowed"
        )
    return Text(text, fields["language"])


def _thermal(fields: Fields, limits: Limits) -> Thermal:
    values = numbers("celsius", fields["celsius"], np.float32, limits.thermal_pixels)
    rows, columns = fields["rows"], fields["columns"]
    if rows < 1 or columns < 1 or rows * columns != values.size:
        raise InvalidField(f"celsius has {values.size} values for {rows} rows x {columns} columns")
    return Thermal(values.reshape(rows, columns))


def _acoustic(fields: Fields, limits: Limits) -> Acoustic:
    samples: Float32
    if fields["sample_format"] == "PCM16":
        pcm = numbers("samples", fields["samples"], np.int16, limits.audio_samples)
        samples = pcm.astype(np.float32) / np.float32(PCM16_SCALE)
    else:
        samples = numbers("samples", fields["samples"], np.float32, limits.audio_samples)
    return Acoustic(samples, fields["sample_rate"])


def _battery(fields: Fields, limits: Limits) -> Battery:
    return Battery(
        cycle=numbers("cycle", fields["cycle"], np.int32, limits.cycles),
        capacity=numbers("capacity_ah", fields["capacity_ah"], np.float32, limits.cycles),
        resistance=numbers(
            "internal_resistance_ohm",
            fields["internal_resistance_ohm"],
            np.float32,
            limits.cycles,
        ),
    )


_READERS: Mapping[Modality, Callable[[Fields, Limits], Payload]] = {
    Modality.VISUAL: _visual,
    Modality.SPECTRAL: _spectral,
    Modality.TEXT: _text,
    Modality.THERMAL: _thermal,
    Modality.ACOUSTIC: _acoustic,
    Modality.BATTERY: _battery,
}
