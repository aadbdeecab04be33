"""JSON observations: bounds first, then pydantic, then the same fields that Avro gives."""

import base64
import json
from collections.abc import Mapping

from pydantic import ValidationError

from schemas.errors import InvalidField, Malformed
from schemas.json_bounds import check_json
from schemas.json_fields import TAGS
from schemas.json_records import RECORDS
from schemas.limits import Limits
from schemas.modality import Modality
from schemas.single_object import Fields
from schemas.times import parse_time


def read(text: bytes, modality: Modality, limits: Limits) -> Fields:
    """The fields of a JSON object in UTF-8.

    Unknown fields are ignored; of repeated ones the last counts.

    Raises:
        TooLarge: nested too deeply, or too many containers.
        Malformed: not JSON.
        InvalidField: a field is missing or of the wrong type; the message names the first.
    """
    check_json(text, limits)
    try:
        record = RECORDS[modality].model_validate_json(text)
    except ValidationError as error:
        raise _first_fault(error) from None
    fields = record.fields()
    if isinstance(record.captured_at, str):
        fields["captured_at"] = parse_time("captured_at", record.captured_at)
    return fields


def write(fields: Fields, modality: Modality) -> bytes:
    """The JSON object of these fields in UTF-8, bytes as base64, with its `modality`."""
    plain = {"modality": modality.value, **fields}
    text = json.dumps(plain, default=_base64, ensure_ascii=False, separators=(",", ":"))
    return text.encode()


def _base64(value: object) -> str:
    if not isinstance(value, bytes):
        raise TypeError(f"{type(value).__name__} has no JSON form")
    return base64.b64encode(value).decode("ascii")


def _first_fault(error: ValidationError) -> InvalidField | Malformed:
    # No input in the message: it may be megabytes, and it is in the dead letter anyway.
    fault: Mapping[str, object] = error.errors(
        include_url=False, include_input=False, include_context=False
    )[0]
    message = str(fault["msg"]).removeprefix("Value error, ")
    if fault["type"] == "json_invalid":
        return Malformed(message[:160])
    location = fault["loc"]
    names = [str(name) for name in location if name not in TAGS] if location else []  # type: ignore[attr-defined]
    return InvalidField(f"{'.'.join(names)}: {message}"[:200] if names else message[:200])
