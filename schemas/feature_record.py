"""A feature record: an observation after extraction, as it travels on `units.features`."""

import math
import re
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.errors import EmptyRecord, InvalidField, TooLarge, UnknownSchema
from schemas.ids import check_id, check_place, check_unit_id
from schemas.modality import Modality
from schemas.single_object import HEADER_BYTES, SingleObject
from schemas.times import check_time

MAX_FEATURE_BYTES = 1024 * 1024
MAX_RECORD_BYTES = MAX_FEATURE_BYTES + 4096
"""The metadata is far below 4 KiB: six bounded names and a few numbers."""
MAX_DIMENSIONS = 8

_FINGERPRINT = re.compile(r"[0-9a-f]{1,64}")
_WIRE = np.dtype("<f2")
_EXPONENT = np.uint16(0x7C00)
"""The bits that are all set in a float16 that is infinite or not a number, and in no other."""
_AVRO = SingleObject("feature_record")


class Origin(NamedTuple):
    """Where a raw record lies."""

    topic: str
    partition: int
    offset: int


@dataclass(slots=True, eq=False)
class FeatureRecord:
    """The features of one observation, and what is known of it.

    Nobody changes one; freezing it would cost 0.7 us more to make each.

    Raises:
        InvalidField: a field breaks the contract.
        TooLarge: the features have more than 1 MiB or 8 dimensions.
    """

    unit_id: str
    """1 to 128 characters of `A-Z a-z 0-9 . _ : / -`."""
    modality: Modality
    observation_id: str
    captured_at: int
    """Event time, in ms since 1970 UTC."""
    source: str
    """The station that saw it."""
    origin: Origin
    """Where the raw record lies."""
    fingerprint: str
    """1 to 64 hexadecimal digits that name the payload kind, its settings and the extractor."""
    features: NDArray[np.float16]
    """Of any shape; finite. Those of a record that was read cannot be written to."""

    def __post_init__(self) -> None:
        check_unit_id(self.unit_id)
        check_id("observation_id", self.observation_id)
        check_id("source", self.source)
        check_time("captured_at", self.captured_at)
        check_place(*self.origin)
        if not _FINGERPRINT.fullmatch(self.fingerprint):
            raise InvalidField("fingerprint is not 1 to 64 hexadecimal digits in lower case")
        features = self.features
        if features.dtype != np.float16 or not features.size:
            raise InvalidField(f"features are {features.dtype} {features.shape}, not some float16")
        if features.nbytes > MAX_FEATURE_BYTES or features.ndim > MAX_DIMENSIONS:
            raise TooLarge(
                f"features have {features.nbytes} bytes in {features.ndim} dimensions; at most "
                f"{MAX_FEATURE_BYTES} bytes in {MAX_DIMENSIONS} are allowed"
            )
        # Less than half the time of np.isfinite, which knows no float16 of its own.
        if (features.view(np.uint16) & _EXPONENT).max() == _EXPONENT:
            raise InvalidField("features hold NaN or infinity")


def encode_feature_record(record: FeatureRecord) -> bytes:
    """Returns the value of a record, such that `decode_feature_record` gives the same back.

    Raises:
        InvalidField: a field has not the schema's type.
    """
    return _AVRO.write(
        {
            "unit_id": record.unit_id,
            "modality": record.modality.value,
            "observation_id": record.observation_id,
            "captured_at": record.captured_at,
            "source": record.source,
            "origin": record.origin._asdict(),
            "fingerprint": record.fingerprint,
            "shape": record.features.shape,
            "features": record.features.astype(_WIRE, copy=False).tobytes(),
        }
    )


def decode_feature_record(value: bytes | None) -> FeatureRecord:
    """Returns the feature record that a value holds.

    Raises:
        RecordError: always one of its subclasses, for any bytes whatsoever.
    """
    if not value:
        raise EmptyRecord("the record has no value")
    if len(value) > MAX_RECORD_BYTES:
        raise TooLarge(f"the record has {len(value)} bytes; at most {MAX_RECORD_BYTES} are allowed")
    if not _AVRO.matches(value):
        raise UnknownSchema(
            f"the first bytes {value[:HEADER_BYTES].hex(' ')} are not those of a feature record, "
            f"{_AVRO.header.hex(' ')}"
        )
    fields = _AVRO.read(value)
    try:
        modality = Modality(fields["modality"])
    except ValueError:
        raise InvalidField(f"there is no modality {fields['modality'][:40]!r}") from None
    origin = fields["origin"]
    return FeatureRecord(
        unit_id=fields["unit_id"],
        modality=modality,
        observation_id=fields["observation_id"],
        captured_at=fields["captured_at"],
        source=fields["source"],
        origin=Origin(origin["topic"], origin["partition"], origin["offset"]),
        fingerprint=fields["fingerprint"],
        features=_array(fields["features"], fields["shape"]),
    )


def _array(data: bytes, shape: list[int]) -> NDArray[np.float16]:
    if len(shape) > MAX_DIMENSIONS:
        raise TooLarge(f"features have {len(shape)} dimensions; at most {MAX_DIMENSIONS} may be")
    if min(shape, default=1) < 1 or math.prod(shape) * _WIRE.itemsize != len(data):
        raise InvalidField(f"features have {len(data)} bytes, which do not fill the shape {shape}")
    return np.ndarray(shape, _WIRE, data).astype(np.float16, copy=False)
