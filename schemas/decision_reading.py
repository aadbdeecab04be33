"""Reads decisions as they come: of a newer version, of an older one, or of somebody else.

What a caller does not ask about never hides a decision. Fields that this version does not know are
ignored, symbols that it does not know keep their text, and where a field is missing, null or of
another type stands a neutral value. Only what names a decision has to be there. Writing stays as
strict as the models of `schemas.decision`.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from pydantic import AwareDatetime, BaseModel, TypeAdapter, ValidationError
from pydantic_core import from_json

from schemas.decision import Decision, Evidence
from schemas.errors import EmptyRecord, InvalidField, Malformed

UNKNOWN = "unknown"
"""Stands for a symbol that is missing."""
UNKNOWN_TIME = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands for a time that is missing."""

_NAMING: Mapping[Any, frozenset[str]] = {
    Decision: frozenset({"decision_id", "passage_id", "unit_id", "revision", "status", "evidence"}),
    Evidence: frozenset({"modality", "observation_id"}),
}
"""Fields that nothing can stand for, by their model; nor can anything stand for the model."""

_Model = TypeVar("_Model", bound=BaseModel)
_Symbol = TypeVar("_Symbol", bound=StrEnum)

_adapter = cache(TypeAdapter[Any])


@cache
def _hints(kind: type[BaseModel]) -> Mapping[str, Any]:
    return get_type_hints(kind, include_extras=True)


def read_decision(value: bytes | None) -> Decision:
    """Returns the decision that a record of `routing.decisions` holds.

    What stands for a missing number is 0, for a time 1970, for a symbol `unknown`, for a text or a
    list the empty one; an entry of a list or a table that has no value is left out. An unknown
    symbol is a member of its enum's type, with its text as value, that the enum does not list.
    Whether the decision is one of ours says `schemas.ids.is_ours`.

    Raises:
        EmptyRecord: there is no value.
        Malformed: it is no JSON object.
        InvalidField: something that names the decision is missing or of another type.
    """
    if not value:
        raise EmptyRecord("the record has no value")
    try:
        return Decision.model_validate_json(value, extra="ignore")
    except ValidationError:
        pass  # a rare one: look closer
    try:
        fields = from_json(value)
    except ValueError as error:
        raise Malformed(f"this is not JSON: {str(error)[:120]}") from None
    if not isinstance(fields, dict):
        raise Malformed("this is JSON, but not an object, so not a decision")
    decision = _model(Decision, fields, "")
    if not decision.evidence:
        raise InvalidField("evidence: a decision lists at least one observation")
    return decision


def _model(kind: type[_Model], fields: Mapping[str, Any], at: str) -> _Model:
    """Returns a model with what can be read of its fields, and what stands for the others."""
    values = {}
    for name, hint in _hints(kind).items():
        path = f"{at}{name}"
        try:
            values[name] = _read(hint, fields.get(name, ...), path)  # no field is an Ellipsis
        except ValidationError:
            if name in _NAMING.get(kind, ()):
                raise InvalidField(f"{path} is missing or of another type") from None
            if kind.model_fields[name].is_required():
                values[name] = _neutral(hint, path)
    return kind.model_construct(**values)


def _read(hint: Any, found: Any, at: str) -> Any:
    """Returns what a place of this type holds, damaged parts mended or left out.

    Raises:
        ValidationError: it is of another type.
        InvalidField: so is something in it that names the decision.
    """
    kind = _bare(hint)
    match found:
        case dict() if _is_a(kind, BaseModel):
            return _model(kind, found, f"{at}.")
        case dict() if get_origin(kind) is dict:
            symbol, item = get_args(kind)
            return {_symbol(symbol, k): v for k, v in _entries(item, found.items(), at)}
        case list() if get_origin(kind) is list:
            return [v for _, v in _entries(get_args(kind)[0], enumerate(found), at)]
        case str() if _is_a(kind, StrEnum):
            return _symbol(kind, found)
        case str() if get_origin(kind) is Literal:
            return found
        case _:
            return _adapter(hint).validate_python(found)


def _entries(kind: Any, found: Iterable[tuple[Any, Any]], at: str) -> Iterator[tuple[Any, Any]]:
    """Yields the entries of a list or a table that can be read."""
    for key, item in found:
        try:
            yield key, _read(kind, item, f"{at}.{key}")
        except ValidationError:
            if kind in _NAMING:
                raise InvalidField(f"{at}.{key} is no {kind.__name__}") from None


def _neutral(hint: Any, at: str) -> Any:
    """Returns what stands for a value of this type."""
    if type(None) in get_args(hint):
        return None
    kind = _bare(hint)
    if _is_a(kind, BaseModel):
        return _model(kind, {}, f"{at}.")
    if _is_a(kind, StrEnum):
        return _symbol(kind, UNKNOWN)
    if get_origin(kind) is Literal:
        return UNKNOWN
    if kind is AwareDatetime:
        return UNKNOWN_TIME
    return (get_origin(kind) or kind)()  # an empty list, table or text, 0, False


def _bare(hint: Any) -> Any:
    """Returns a type without its constraints and without None."""
    while get_origin(hint) is Annotated or type(None) in get_args(hint):
        hint = get_args(hint)[0]
    return hint


def _is_a(kind: Any, base: type) -> bool:
    return isinstance(kind, type) and issubclass(kind, base)


def _symbol(kind: type[_Symbol], text: str) -> _Symbol:
    """Returns the member of this text: one that the enum lists, or one that nobody can write."""
    try:
        return kind(text)
    except ValueError:
        member = str.__new__(kind, text)
        member._name_ = member._value_ = text
        return member
