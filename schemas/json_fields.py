"""Types of the fields of JSON records: strict, and told apart by their JSON type.

"12" is no number, neither is true. Binary fields are base64 of the same little-endian bytes that
Avro carries, a plain list of numbers, or a claim check.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, FiniteFloat, Tag

from schemas.ids import MAX_ID, UNIT_ID
from schemas.times import MAX_TIME_MS, MIN_TIME_MS


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class ClaimCheck(Strict):
    """A payload by reference. In the contract, but not supported yet."""

    uri: str
    sha256: str
    size: int
    media_type: str


def _shape_of(value: Any) -> str | None:
    match value:
        case str():
            return "base64"
        case [[*_], *_]:
            return "rows"
        case list():
            return "numbers"
        case dict() | ClaimCheck():
            return "claim_check"
    return None


def _one_of(expected: str) -> Discriminator:
    # Told apart by their JSON type, so that a message names the one fault and not every branch's.
    return Discriminator(
        _shape_of, custom_error_type="binary", custom_error_message=f"Input should be {expected}"
    )


# fail_fast: a million faults in one list are one fault, and cost no memory.
_Base64 = Annotated[str, Field(json_schema_extra={"contentEncoding": "base64"}), Tag("base64")]
_List = Annotated[list[FiniteFloat], Field(fail_fast=True), Tag("numbers")]
_Row = Annotated[list[FiniteFloat], Field(fail_fast=True)]
_Rows = Annotated[list[_Row], Field(fail_fast=True), Tag("rows")]
_Reference = Annotated[ClaimCheck, Tag("claim_check")]

Blob = Annotated[_Base64 | _Reference, _one_of("base64 or a claim check")]
Numbers = Annotated[_Base64 | _List, _one_of("base64 or a list of numbers")]
Column = Annotated[
    _Base64 | _List | _Reference, _one_of("base64, a list of numbers or a claim check")
]
Grid = Annotated[
    _Base64 | _List | _Rows | _Reference,
    _one_of("base64, a list of numbers, a list of rows or a claim check"),
]

Id = Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": MAX_ID})]

UnitId = Annotated[str, Field(json_schema_extra={"pattern": f"^{UNIT_ID.pattern}$"})]


def _whole(value: object) -> object:
    """The integer that a float without a fraction stands for: many writers know no other."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_MILLISECONDS = {"minimum": MIN_TIME_MS, "maximum": MAX_TIME_MS}

CapturedAt = Annotated[
    Annotated[int, BeforeValidator(_whole), Field(json_schema_extra=_MILLISECONDS), Tag("ms")]
    | Annotated[str, Field(json_schema_extra={"format": "date-time"}), Tag("iso8601")],
    Discriminator(lambda value: "iso8601" if isinstance(value, str) else "ms"),
]
"""Whole ms since 1970 UTC, or ISO 8601 with an offset (`times.parse_time`)."""


class LinearAxis(Strict):
    """Evenly spaced positions, both ends included."""

    start: FiniteFloat
    stop: FiniteFloat
    unit: Literal["nm", "cm-1"]


class ExplicitAxis(Strict):
    """Strictly monotonic positions, one for each intensity; float32."""

    positions: Numbers
    unit: Literal["nm", "cm-1"]


def _axis_of(value: Any) -> str:
    explicit = isinstance(value, ExplicitAxis) or (isinstance(value, dict) and "positions" in value)
    return "explicit" if explicit else "linear"


Axis = Annotated[
    Annotated[LinearAxis, Tag("linear")] | Annotated[ExplicitAxis, Tag("explicit")],
    Discriminator(_axis_of),
]

TAGS = frozenset(
    {"base64", "numbers", "rows", "claim_check", "ms", "iso8601", "linear", "explicit"}
)
"""What pydantic puts into the location of an error besides the names of fields."""
