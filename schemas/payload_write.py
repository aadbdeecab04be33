"""From a payload to the fields of a record, under the names of the `.avsc` files."""

from functools import singledispatch

import numpy as np

from schemas.arrays import to_bytes
from schemas.observation import Acoustic, Battery, Payload, Spectral, Text, Thermal, Visual
from schemas.payload_read import PCM16_SCALE, linear_axis


@singledispatch
def write_payload(payload: Payload) -> dict[str, object]:
    """The payload's own fields; binary ones as bytes.

    Raises:
        InvalidField: a number does not fit the wire's type.
    """
    raise TypeError(f"{type(payload).__name__} is not a payload")


@write_payload.register
def _(payload: Visual) -> dict[str, object]:
    return {"image": payload.image, "media_type": payload.media_type}


@write_payload.register
def _(payload: Spectral) -> dict[str, object]:
    axis: dict[str, object]
    start, stop = float(payload.axis[0]), float(payload.axis[-1])
    # Two numbers in place of N, where reading them back gives the very same axis.
    if np.array_equal(linear_axis(start, stop, payload.axis.size), payload.axis):
        axis = {"start": start, "stop": stop, "unit": payload.unit}
    else:
        positions = to_bytes("axis", payload.axis, np.float32)
        axis = {"positions": positions, "unit": payload.unit}
    return {"intensities": to_bytes("intensities", payload.intensities, np.float32), "axis": axis}


@write_payload.register
def _(payload: Text) -> dict[str, object]:
    return {"text": payload.text, "language": payload.language}


@write_payload.register
def _(payload: Thermal) -> dict[str, object]:
    rows, columns = payload.celsius.shape
    celsius = to_bytes("celsius", payload.celsius, np.float32)
    return {"celsius": celsius, "rows": rows, "columns": columns}


@write_payload.register
def _(payload: Acoustic) -> dict[str, object]:
    full_scale = payload.samples.astype(np.float64) * PCM16_SCALE
    whole = full_scale == np.rint(full_scale)
    # Half the bytes where nothing is lost: samples that came from a 16-bit converter.
    if (whole & (full_scale >= -PCM16_SCALE) & (full_scale < PCM16_SCALE)).all():
        samples, sample_format = to_bytes("samples", full_scale, np.int16), "PCM16"
    else:
        samples, sample_format = to_bytes("samples", payload.samples, np.float32), "FLOAT32"
    return {
        "samples": samples,
        "sample_format": sample_format,
        "sample_rate": payload.sample_rate,
    }


@write_payload.register
def _(payload: Battery) -> dict[str, object]:
    return {
        "cycle": to_bytes("cycle", payload.cycle, np.int32),
        "capacity_ah": to_bytes("capacity", payload.capacity, np.float32),
        "internal_resistance_ohm": to_bytes("resistance", payload.resistance, np.float32),
    }
