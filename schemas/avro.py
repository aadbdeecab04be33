"""Observations in Avro single-object encoding: one schema a modality."""

from schemas.errors import Malformed, UnknownSchema
from schemas.modality import MODALITIES, Modality
from schemas.single_object import HEADER_BYTES, Fields, SingleObject

SCHEMAS: dict[Modality, SingleObject] = {m: SingleObject(m.value) for m in MODALITIES}

_MODALITY_OF = {schema.fingerprint: modality for modality, schema in SCHEMAS.items()}


def read(value: bytes, modality: Modality) -> Fields:
    """Returns the fields of a record that starts with `single_object.MARKER`.

    Raises:
        Malformed: truncated, damaged, or with bytes after the body.
        UnknownSchema: the fingerprint is not that of the modality's schema.
    """
    if len(value) < HEADER_BYTES:
        raise Malformed(f"an Avro header has {HEADER_BYTES} bytes, the record has {len(value)}")
    found = _MODALITY_OF.get(value[2:HEADER_BYTES])
    if found is None:
        raise UnknownSchema(
            f"no observation of this version has the fingerprint {value[2:HEADER_BYTES].hex()}; "
            f"for {modality} it is {SCHEMAS[modality].fingerprint.hex()}"
        )
    if found is not modality:
        raise UnknownSchema(f"this is a {found} observation on a {modality} topic")
    return SCHEMAS[modality].read(value)


def write(fields: Fields, modality: Modality) -> bytes:
    """Returns the record of these fields.

    Raises:
        InvalidField: a field has not the schema's type.
    """
    return SCHEMAS[modality].write(fields)
