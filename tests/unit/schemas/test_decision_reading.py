"""Decisions of other versions and of strangers: what nobody asks about hides nothing."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas import Decision, EmptyRecord, Grade, InvalidField, Malformed, RecordError
from schemas.decision_reading import UNKNOWN_TIME, read_decision
from schemas.ids import decision_id_of, is_ours, passage_id_of

from .test_decision import EXAMPLE

ORIGINAL = Decision.model_validate(EXAMPLE)
GONE = "left out"
"""In a case: the field is left out."""


def changed(path: str, value: Any) -> bytes:
    """The example with one place changed, such as `evidence.0.source`."""
    fields = copy.deepcopy(EXAMPLE)
    *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    parent: Any = fields
    for step in way:
        parent = parent[step]
    if value is GONE:
        del parent[last]
    else:
        parent[last] = value
    return json.dumps(fields).encode()


def places(value: Any = EXAMPLE, path: str = "") -> list[str]:
    """The paths of all fields, tables and items of the example."""
    items = enumerate(value) if isinstance(value, list) else value.items()
    found = []
    for step, item in items:
        here = f"{path}.{step}" if path else str(step)
        found += [here, *(places(item, here) if isinstance(item, dict | list) else [])]
    return found


def at(decision: Decision, path: str) -> Any:
    """What the decision says at a path, as it is written."""
    value: Any = json.loads(decision.model_dump_json())
    for step in path.split("."):
        value = value[int(step)] if isinstance(value, list) else value[step]
    return value


NAMING = {
    *["decision_id", "passage_id", "unit_id", "revision", "status", "evidence", "evidence.0"],
    *["evidence.0.modality", "evidence.0.observation_id"],
}


@pytest.mark.parametrize("value", [GONE, None, [], {}, 0.5, True], ids=str)
@pytest.mark.parametrize("path", sorted(set(places()) - NAMING))
def test_a_minor_field_that_is_damaged_hides_nothing(path: str, value: Any) -> None:
    decision = read_decision(changed(path, value))
    names = ("decision_id", "passage_id", "unit_id", "revision", "status")
    assert [getattr(decision, n) for n in names] == [getattr(ORIGINAL, n) for n in names]
    assert [(e.modality, e.observation_id) for e in decision.evidence] == [("visual", "o-1")]
    top = path.partition(".")[0]
    for name in set(EXAMPLE) - {top}:
        assert getattr(decision, name) == getattr(ORIGINAL, name)


@pytest.mark.parametrize("value", [GONE, None, [], {}, 0.5], ids=str)
@pytest.mark.parametrize("path", sorted(NAMING))
def test_what_names_a_decision_must_be_there(path: str, value: Any) -> None:
    if (path, value) == ("evidence.0", GONE):
        return  # an empty list, which is a case of its own
    with pytest.raises(InvalidField, match=path):
        read_decision(changed(path, value))


@pytest.mark.parametrize(
    ("path", "symbol"),
    [
        ("status", "withdrawn"),
        ("passage.closed_by", "operator"),
        ("quality.grade", "A+"),
        ("material.type", "wood"),
        ("routing.option", "museum"),
        ("routing.alternatives.0.option", "museum"),
        ("evidence.0.modality", "x-ray"),
        ("missing.1", "x-ray"),
        ("distiller.tier", "huge"),
    ],
)
def test_unknown_symbols_keep_their_text(path: str, symbol: str) -> None:
    decision = read_decision(changed(path, symbol))
    assert at(decision, path) == symbol
    top = path.partition(".")[0]
    for name in set(EXAMPLE) - {top}:
        assert getattr(decision, name) == getattr(ORIGINAL, name)
    with pytest.raises(ValidationError):
        Decision.model_validate_json(changed(path, symbol))


def test_unknown_symbols_in_tables_keep_their_text() -> None:
    decision = read_decision(changed("reuse.camera", 0.5))
    assert {part.value: share for part, share in decision.reuse.items()}["camera"] == 0.5
    decision = read_decision(changed("quality.probabilities", {"A+": 0.25, "A": 0.75, "[key]": 0}))
    assert at(decision, "quality.probabilities") == {"A+": 0.25, "A": 0.75, "[key]": 0}
    decision = read_decision(changed("quality.probabilities", {"[key]": None, "E": "?"}))
    assert decision.quality.probabilities == {}


def test_an_unknown_symbol_is_a_member_that_the_enum_does_not_list() -> None:
    grade = read_decision(changed("quality.grade", "A+")).quality.grade
    assert isinstance(grade, Grade)
    assert (grade.value, str(grade)) == ("A+", "A+")
    again = read_decision(changed("quality.grade", "A+")).quality.grade
    assert grade == again
    assert len({grade, again}) == 1
    assert [g.value for g in Grade] == ["A", "B", "C", "D"]
    with pytest.raises(ValueError, match="not a valid Grade"):
        Grade("A+")


@pytest.mark.parametrize(
    ("path", "stands"),
    [
        ("supersedes", None),
        ("passage.deadline", "1970-01-01T00:00:00.000Z"),
        ("quality.grade", "unknown"),
        ("quality.probabilities", {}),
        ("quality", {"grade": "unknown", "probabilities": {}}),
        ("routing.expected_value", 0),
        ("routing.hold_for_human", False),
        ("routing.reasons", []),
        ("confidence", 0),
        ("evidence.0.source", ""),
        ("evidence.0.captured_at", "1970-01-01T00:00:00.000Z"),
        ("distiller.selection", None),
        ("disassembly", {"steps": [], "expected_value": 0}),
    ],
)
def test_what_stands_for_a_missing_field(path: str, stands: Any) -> None:
    assert at(read_decision(changed(path, GONE)), path) == stands
    assert at(read_decision(changed(path, "\0")), path) in (stands, "\0")
    assert UNKNOWN_TIME.year == 1970


def test_items_without_a_value_are_left_out() -> None:
    decision = read_decision(changed("missing", [None, "thermal", 3, "x-ray", None]))
    assert [m.value for m in decision.missing] == ["thermal", "x-ray"]
    decision = read_decision(changed("routing.reasons", ["a", None, "b"]))
    assert decision.routing.reasons == ["a", "b"]


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (None, EmptyRecord),
        (b"", EmptyRecord),
        (b"\xff\xfe\x00", Malformed),
        (b'{"revision": 1', Malformed),
        (b"[" * 100_000, Malformed),
        (b"[1]", Malformed),
        (b"{}", InvalidField),
        (changed("revision", 0), InvalidField),
        (changed("evidence", []), InvalidField),
    ],
)
def test_what_is_no_decision_is_an_error_of_one_line(
    value: bytes | None, error: type[RecordError]
) -> None:
    with pytest.raises(error) as refused:
        read_decision(value)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 300


def test_a_stranger_s_decision_is_read_and_is_not_ours() -> None:
    stranger = {
        "decision_id": "WO-4711/1",
        "passage_id": "WO-4711",
        "unit_id": "LT-1",
        "revision": 1,
        "status": "final",
        "evidence": [{"modality": "manual", "observation_id": "clerk"}],
        "routing": {"option": "recycle", "lane": 4},
    }
    decision = read_decision(json.dumps(stranger).encode())
    assert decision.routing.option == "recycle"
    assert decision.evidence[0].modality.value == "manual"
    assert not is_ours(decision)


PASSAGE = passage_id_of("LT-1", 1_738_310_400_123)


@pytest.mark.parametrize(
    ("passage_id", "decision_id", "ours"),
    [
        (PASSAGE, decision_id_of(PASSAGE, 2), True),
        (PASSAGE, decision_id_of(PASSAGE, 1), False),
        (PASSAGE, "WO-4711/2", False),
        (PASSAGE.upper(), decision_id_of(PASSAGE, 2), False),
        ("WO-4711", "WO-4711/2", False),
        ("", "", False),
        ("5b0c9d3e-0f0e-4a55-9b63-3f3d1d0a4f10", decision_id_of(PASSAGE, 2), False),
    ],
)
def test_is_ours(passage_id: str, decision_id: str, ours: bool) -> None:
    named = {"passage_id": passage_id, "decision_id": decision_id, "revision": 2}
    assert is_ours(ORIGINAL.model_copy(update=named)) is ours


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(places()), json_values), min_size=1, max_size=4))
def test_any_json_anywhere_is_a_decision_or_a_record_error(
    damages: list[tuple[str, Any]],
) -> None:
    value = json.dumps(EXAMPLE).encode()
    fields = json.loads(value)
    for path, damage in damages:
        *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
        parent: Any = fields
        try:
            for step in way:
                parent = parent[step]
            parent[last] = damage
        except (TypeError, KeyError, IndexError):
            continue  # an earlier damage took the place away
    value = json.dumps(fields).encode("utf-8", "surrogatepass")
    try:
        decision = read_decision(value)
    except RecordError:
        assert any(path.partition(".")[0] in NAMING for path, _ in damages) or b"\\ud" in value
    else:
        assert decision.model_dump_json()


def test_a_decision_of_ours_comes_back() -> None:
    value = ORIGINAL.model_dump_json().encode()
    assert read_decision(value) == ORIGINAL
