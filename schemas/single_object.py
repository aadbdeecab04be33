"""Avro single-object encoding: `C3 01`, an 8-byte schema fingerprint, the body.

The schemas have no recursion, and no item of an array or map is smaller than a byte: a body
cannot make its reader allocate or loop beyond a small multiple of the record's own size.
"""

import json
from collections.abc import Mapping
from importlib.resources import files
from io import BytesIO
from typing import Any

import fastavro
from fastavro.schema import fingerprint, to_parsing_canonical_form

from schemas.errors import InvalidField, Malformed

Fields = Mapping[str, Any]

MARKER = b"\xc3\x01"
HEADER_BYTES = 10


class SingleObject:
    """Reads and writes the records of one published schema, `schemas/avsc/<name>.avsc`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = files("schemas").joinpath("avsc", f"{name}.avsc").read_text("utf-8")
        # Without logical types a long stays a long: fastavro would make datetimes, which cannot
        # hold every long. The canonical form, and so the fingerprint, does not have them either.
        plain = json.loads(self.text, object_hook=_without_logical_type)
        self._schema = fastavro.parse_schema(plain)
        # fastavro gives the hexadecimal digits in little-endian order already, as on the wire.
        canonical = to_parsing_canonical_form(self._schema)
        self.fingerprint = bytes.fromhex(fingerprint(canonical, "CRC-64-AVRO"))
        """CRC-64-AVRO of the schema's parsing canonical form, little-endian, as on the wire."""
        self.header = MARKER + self.fingerprint

    def matches(self, value: bytes) -> bool:
        """Whether a record's header is that of this schema."""
        return value.startswith(self.header)

    def read(self, value: bytes) -> Fields:
        """Returns the fields of a record that `matches`.

        Raises:
            Malformed: the body is truncated or damaged, or bytes follow it.
        """
        body = BytesIO(value)
        body.seek(HEADER_BYTES)
        try:
            fields: Fields = fastavro.schemaless_reader(body, self._schema, None)
        except Exception as error:  # fastavro raises whatever the damaged bytes led it to
            raise Malformed(f"the Avro body is truncated or damaged: {str(error)[:120]}") from None
        if body.tell() != len(value):
            raise Malformed(f"{len(value) - body.tell()} bytes follow the Avro body")
        return fields

    def write(self, fields: Fields) -> bytes:
        """Returns the record of these fields.

        Raises:
            InvalidField: a field has not the schema's type.
        """
        record = BytesIO()
        record.write(self.header)
        try:
            fastavro.schemaless_writer(record, self._schema, fields)
        except (ValueError, TypeError, OverflowError) as error:
            raise InvalidField(
                f"the {self.name} record does not fit its schema: {str(error)[:120]}"
            ) from None
        return record.getvalue()


def _without_logical_type(node: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in node.items() if key != "logicalType"}
