"""Bytes to observations and back: the encodings told apart, the bounds, the errors.

| first bytes      | encoding                                                          |
|------------------|-------------------------------------------------------------------|
| `C3 01`          | Avro single-object: 8-byte little-endian CRC-64-AVRO, then the body |
| `00`             | Confluent wire format; needs a registry, not supported yet          |
| `{`              | JSON in UTF-8; white space and a byte order mark may come first     |
"""

from typing import Literal

from schemas import avro, json_codec
from schemas.errors import (
    EmptyRecord,
    Malformed,
    NotSupportedYet,
    RecordError,
    TooLarge,
    UnknownEncoding,
)
from schemas.limits import DEFAULT_LIMITS, Limits
from schemas.modality import Modality
from schemas.observation import Observation
from schemas.payload_read import read_payload
from schemas.payload_write import write_payload
from schemas.single_object import MARKER, Fields

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def decode(value: bytes | None, modality: Modality, limits: Limits = DEFAULT_LIMITS) -> Observation:
    """The observation that a record holds.

    Args:
        value: the record's value as Kafka gave it.
        modality: that of the topic; a record of another one is refused.
        limits: bounds, each checked before what it bounds is allocated.

    Raises:
        RecordError: always one of its subclasses, for any bytes whatsoever.
    """
    if not value:
        raise EmptyRecord("the record has no value")
    if len(value) > limits.record_bytes:
        raise TooLarge(
            f"the record has {len(value)} bytes; at most {limits.record_bytes} are allowed"
        )
    try:
        fields = _fields(value, modality, limits)
        return Observation(
            unit_id=fields["unit_id"],
            observation_id=fields["observation_id"],
            captured_at=fields["captured_at"],
            source=fields["source"],
            payload=read_payload(modality, fields, limits),
        )
    except RecordError:
        raise
    except Exception as error:
        # The promise above. None is known; the fuzz tests fail on this message.
        raise Malformed(f"unexpected {type(error).__name__}: {str(error)[:120]}") from error


def encode(observation: Observation, encoding: Literal["avro", "json"] = "avro") -> bytes:
    """The record of an observation, such that `decode` gives the same observation back.

    Evenly spaced spectral axes are written as two ends, samples of 16-bit origin as PCM16: both
    only where nothing is lost.

    Raises:
        InvalidField: an array holds numbers beyond the wire's type.
    """
    fields: Fields = {
        "unit_id": observation.unit_id,
        "observation_id": observation.observation_id,
        "captured_at": observation.captured_at,
        "source": observation.source,
        **write_payload(observation.payload),
    }
    write = avro.write if encoding == "avro" else json_codec.write
    return write(fields, observation.modality)


def _fields(value: bytes, modality: Modality, limits: Limits) -> Fields:
    if value.startswith(MARKER):
        return avro.read(value, modality)
    if value[0] == 0:
        raise NotSupportedYet(
            "Confluent wire format needs a schema registry, which this version does not speak; "
            "send Avro single-object or JSON"
        )
    text = value.removeprefix(_BYTE_ORDER_MARK).lstrip(b" \t\r\n")
    if text.startswith(b"{"):
        return json_codec.read(text, modality, limits)
    raise UnknownEncoding(
        f"the first bytes {value[:8].hex(' ')} are neither Avro single-object (c3 01) "
        "nor a JSON object"
    )
