"""Reads decisions as they come: of a newer version, of an older one, or of somebody else.

What a caller does not ask about never hides a decision. Fields that this version does not know are
ignored, symbols that it does not know keep their text, and where a field is missing, null or of
another type stands a neutral value. Only what names a decision has to be there. Writing stays as
strict as the models of `schemas.decision`.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import AwareDatetime, BaseModel, ValidationError
from pydantic_core import from_json

from schemas.decision import Decision
from schemas.errors import EmptyRecord, InvalidField, Malformed

UNKNOWN = "unknown"
"""Stands for a symbol that is missing."""
UNKNOWN_TIME = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands for a time that is missing."""

_NAMING = {
    *[(name,) for name in ("decision_id", "passage_id", "unit_id", "revision", "status")],
    ("evidence",),
    ("evidence", "modality"),
    ("evidence", "observation_id"),
}
"""Fields that nothing can stand for."""
_ROUNDS = 8
"""More than the models are deep: what stands for a model is filled in the next round."""

_Symbol = TypeVar("_Symbol", bound=StrEnum)


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
    literals: dict[str, str] = {}
    for _ in range(_ROUNDS):
        try:
            decision = Decision.model_validate(fields, extra="ignore")
        except ValidationError as error:
            # The last first: an entry that is left out moves those behind it.
            for fault in reversed(error.errors(include_url=False, include_context=False)):
                _mend(fields, fault["loc"], fault["msg"], literals)
        else:
            return _with_texts(decision, literals)
    raise InvalidField("the decision is damaged in too many places")


def _mend(
    fields: dict[str, Any], path: Sequence[int | str], message: str, literals: dict[str, str]
) -> None:
    """Puts something that its model takes where a fault lies; the rest stays as it is.

    Args:
        fields: of the decision; changed.
        path: of the fault.
        message: what is wrong with it.
        literals: gets the text of a symbol that only a `Literal` lists, by its field.

    Raises:
        InvalidField: nothing can stand for it.
    """
    is_key = path[-1] == "[key]" and get_origin(_kind_at(path[:-2])) is dict
    *way, last = path[:-1] if is_key else path
    parent: Any = fields
    for step in way:
        parent = parent[step]
    if is_key:
        if last in parent:  # else its value was no good either
            key_kind = get_args(_kind_at(way))[0]
            parent[_symbol(key_kind, str(last))] = parent.pop(last)
        return
    kind = _kind_at(path)
    found = parent.get(last) if isinstance(parent, dict) else parent[last]
    if isinstance(found, str) and _is_a(kind, StrEnum):
        parent[last] = _symbol(kind, found)
    elif isinstance(found, str) and get_origin(kind) is Literal:
        parent[last], literals[str(last)] = get_args(kind)[0], found
    elif tuple(step for step in path if isinstance(step, str)) in _NAMING:
        raise InvalidField(f"{'.'.join(map(str, path))}: {message}"[:200])
    elif get_origin(kind) is Literal:
        parent[last], literals[str(last)] = get_args(kind)[0], UNKNOWN
    elif _is_required(way, last):
        parent[last] = _neutral(kind)
    else:
        del parent[last]


def _kind_at(path: Sequence[int | str]) -> Any:
    """Returns the type that the models promise at a place."""
    kind: Any = Decision
    for step in path:
        kind = _present(kind)
        # Else the item of a list or the value of a table.
        is_model = _is_a(kind, BaseModel)
        kind = kind.model_fields[step].annotation if is_model else get_args(kind)[-1]
        while get_origin(kind) is Annotated:
            kind = get_args(kind)[0]
    return kind


def _is_required(way: Sequence[int | str], last: int | str) -> bool:
    """Whether a place is a field without a default; else it can be left out."""
    holder = _present(_kind_at(way))
    return _is_a(holder, BaseModel) and holder.model_fields[last].is_required()


def _present(kind: Any) -> Any:
    """Returns the type of what is there, for one that may be None."""
    return get_args(kind)[0] if type(None) in get_args(kind) else kind


def _is_a(kind: Any, base: type) -> bool:
    return isinstance(kind, type) and issubclass(kind, base)


def _neutral(kind: Any) -> Any:
    if type(None) in get_args(kind):
        return None
    if _is_a(kind, BaseModel):
        return {}
    if _is_a(kind, StrEnum):
        return _symbol(kind, UNKNOWN)
    if kind is AwareDatetime:
        return UNKNOWN_TIME
    return (get_origin(kind) or kind)()  # an empty list, table or text, 0, False


def _symbol(kind: type[_Symbol], text: str) -> _Symbol:
    """Returns a member that the enum does not list, so that nobody can write it by its text."""
    member = str.__new__(kind, text)
    member._name_ = member._value_ = text
    return member


def _with_texts(decision: Decision, literals: dict[str, str]) -> Decision:
    """Puts symbols of `Literal` fields back, which validation would not take."""
    if "closed_by" in literals:
        passage = decision.passage.model_copy(update={"closed_by": literals["closed_by"]})
        decision = decision.model_copy(update={"passage": passage})
    if "status" in literals:
        decision = decision.model_copy(update={"status": literals["status"]})
    return decision
