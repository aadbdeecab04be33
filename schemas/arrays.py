"""Arrays of numbers as they travel: little-endian bytes, in JSON also base64 or a plain list."""

import base64
import binascii
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from schemas.errors import InvalidField, NotSupportedYet, TooLarge

Number = TypeVar("Number", np.float32, np.int32, np.int16)


def raw_bytes(name: str, value: object) -> bytes:
    """The bytes of a binary field.

    Args:
        name: the field, for messages.
        value: bytes (Avro), base64 (JSON), or a claim check.

    Raises:
        NotSupportedYet: the value is a claim check.
        InvalidField: it is not base64.
    """
    if isinstance(value, bytes):
        return value
    if isinstance(value, dict):
        raise NotSupportedYet(
            f"{name} is sent by reference (claim check), which this version cannot fetch; "
            "send the bytes in the record"
        )
    try:
        return base64.b64decode(str(value), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidField(f"{name} is not base64") from None


def numbers(name: str, value: object, kind: type[Number], limit: int) -> NDArray[Number]:
    """The vector of a binary field, shape (N,), in native byte order and its own memory.

    Args:
        name: the field, for messages.
        value: little-endian bytes, their base64, a list of numbers, or a claim check.
        kind: the type of the numbers on the wire.
        limit: the largest N; checked before the array is made.

    Raises:
        TooLarge: N is larger than `limit`.
        InvalidField: not base64, not a whole number of items, out of the type's range.
        NotSupportedYet: the value is a claim check.
    """
    if isinstance(value, list):
        _bound(name, len(value), limit)
        return _from_list(name, value, kind)
    wire = np.dtype(kind).newbyteorder("<")
    if isinstance(value, str):  # padding may stand for two bytes, not for an item more
        _bound(name, (len(value) * 3 // 4 - 2) // wire.itemsize, limit)
    data = raw_bytes(name, value)
    if len(data) % wire.itemsize:
        raise InvalidField(f"{name} has {len(data)} bytes, not a multiple of {wire.itemsize}")
    _bound(name, len(data) // wire.itemsize, limit)
    # astype copies: the array is writable (torch wants that) and does not keep the record alive.
    return np.frombuffer(data, dtype=wire).astype(kind)


def to_bytes(name: str, values: NDArray[np.generic], kind: type[Number]) -> bytes:
    """The little-endian bytes of an array, row by row.

    Raises:
        InvalidField: a value does not fit the type (a double beyond float32, say).
    """
    with np.errstate(over="ignore", invalid="ignore"):
        cast = values.astype(np.dtype(kind).newbyteorder("<"))
    if not np.isfinite(cast).all():
        raise InvalidField(f"{name} holds numbers beyond the range of {np.dtype(kind).name}")
    return cast.tobytes()


def _from_list(name: str, value: list[float], kind: type[Number]) -> NDArray[Number]:
    wide = np.asarray(value, dtype=np.float64)
    if issubclass(kind, np.integer):
        bounds = np.iinfo(kind)
        if not ((wide == np.rint(wide)) & (wide >= bounds.min) & (wide <= bounds.max)).all():
            raise InvalidField(f"{name} must hold whole numbers from {bounds.min} to {bounds.max}")
    with np.errstate(over="ignore"):  # beyond float32 becomes infinity, which payloads refuse
        return wide.astype(kind)


def _bound(name: str, count: int, limit: int) -> None:
    if count > limit:
        raise TooLarge(f"{name} has {count} items; at most {limit} are allowed")
