"""Avro single-object encoding: `C3 01`, an 8-byte schema fingerprint, the body.

The schemas hold no Avro arrays or maps and no recursion, so a body cannot make its reader allocate
or loop beyond the record's own size: columns are `bytes` fields.
"""

import json
from importlib.resources import files
from io import BytesIO
from typing import Any

import fastavro
from fastavro.schema import fingerprint, to_parsing_canonical_form

from schemas.errors import InvalidField, Malformed, UnknownSchema
from schemas.modality import MODALITIES, Modality
from schemas.payload_read import Fields

MARKER = b"\xc3\x01"
HEADER_BYTES = 10


def schema_text(modality: Modality) -> str:
    """The published `.avsc` file of a modality."""
    return files("schemas").joinpath("avsc", f"{modality}.avsc").read_text("utf-8")


def _parsed(modality: Modality) -> Any:
    # Without logical types a long stays a long: fastavro would make datetimes, which cannot hold
    # every long. The canonical form, and so the fingerprint, does not have them either.
    plain = json.loads(schema_text(modality), object_hook=_without_logical_type)
    return fastavro.parse_schema(plain)


def _without_logical_type(node: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in node.items() if key != "logicalType"}


_SCHEMAS: dict[Modality, Any] = {modality: _parsed(modality) for modality in MODALITIES}

FINGERPRINTS: dict[Modality, bytes] = {
    # fastavro gives the hexadecimal digits in little-endian order already, as on the wire.
    modality: bytes.fromhex(fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO"))
    for modality, schema in _SCHEMAS.items()
}
"""CRC-64-AVRO of each schema's parsing canonical form, little-endian, as on the wire."""

_MODALITY_OF = {print_: modality for modality, print_ in FINGERPRINTS.items()}


def read(value: bytes, modality: Modality) -> Fields:
    """The fields of a record that starts with `MARKER`.

    Raises:
        Malformed: truncated, damaged, or with bytes after the body.
        UnknownSchema: the fingerprint is not that of the modality's schema.
    """
    if len(value) < HEADER_BYTES:
        raise Malformed(f"an Avro header has {HEADER_BYTES} bytes, the record has {len(value)}")
    found = _MODALITY_OF.get(value[2:HEADER_BYTES])
    if found is None:
        raise UnknownSchema(
            f"no schema of this version has the fingerprint {value[2:HEADER_BYTES].hex()}; "
            f"for {modality} it is {FINGERPRINTS[modality].hex()}"
        )
    if found is not modality:
        raise UnknownSchema(f"this is a {found} observation on a {modality} topic")
    body = BytesIO(value)
    body.seek(HEADER_BYTES)
    try:
        fields: Fields = fastavro.schemaless_reader(body, _SCHEMAS[modality], None)
    except Exception as error:  # fastavro raises whatever the damaged bytes led it to
        raise Malformed(f"the Avro body is truncated or damaged: {str(error)[:120]}") from None
    if body.tell() != len(value):
        raise Malformed(f"{len(value) - body.tell()} bytes follow the Avro body")
    return fields


def write(fields: Fields, modality: Modality) -> bytes:
    """The record of these fields.

    Raises:
        InvalidField: a field has not the schema's type.
    """
    record = BytesIO()
    record.write(MARKER + FINGERPRINTS[modality])
    try:
        fastavro.schemaless_writer(record, _SCHEMAS[modality], dict(fields))
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidField(f"the observation does not fit its schema: {str(error)[:120]}") from None
    return record.getvalue()
