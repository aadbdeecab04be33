"""The decision record: an example, its schema, its rounding."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from schemas import Decision
from schemas.publish import json_schemas

ID = "5b0c9d3e-0f0e-5a55-9b63-3f3d1d0a4f10"
TIME = "2025-01-31T08:00:00.123Z"

EXAMPLE: dict[str, Any] = {
    "decision_id": ID,
    "passage_id": ID,
    "unit_id": "LT-000017",
    "revision": 2,
    "supersedes": ID,
    "status": "amended",
    "passage": {"opened_at": TIME, "deadline": TIME, "closed_by": "complete"},
    "quality": {"grade": "B", "probabilities": {"A": 0.1, "B": 0.7, "C": 0.15, "D": 0.05}},
    "material": {"type": "PC-ABS", "probabilities": {}},
    "routing": {
        "option": "refurbish",
        "expected_value": 41.2,
        "alternatives": [{"option": "harvest", "expected_value": 30.1}],
        "reasons": ["battery-degraded"],
        "hold_for_human": False,
    },
    "reuse": {"battery": 0.12, "display": 0.91, "keyboard": 0.67, "mainboard": 0.88},
    "disassembly": {
        "steps": [
            {
                "part": "battery",
                "after": ["base-cover"],
                "expected_value": -0.6,
                "labour_s": 60.0,
                "hazardous": False,
                "put_back": False,
            }
        ],
        "expected_value": -0.6,
    },
    "confidence": 0.83,
    "uncertainty": 0.31,
    "criticality": 0.4,
    "evidence": [
        {
            "modality": "visual",
            "observation_id": "o-1",
            "source": "cam-2",
            "captured_at": TIME,
            "topic": "units.visual",
            "partition": 3,
            "offset": 991,
        }
    ],
    "missing": ["thermal", "acoustic"],
    "distiller": {
        "model": "regrade-6m",
        "version": "2",
        "sha256": "ab",
        "tier": "small",
        "selection": {
            "uncertainty": 0.22,
            "criticality": 0.4,
            "rule": "uncertainty < 0.3 or criticality < 0.6",
        },
        "device": "default.qubit",
        "shots": 1024,
    },
    "decided_at": TIME,
    "valid_until": TIME,
}


def test_the_example_round_trips_field_by_field() -> None:
    decision = Decision.model_validate_json(json.dumps(EXAMPLE))
    written = json.loads(decision.model_dump_json())
    assert written == EXAMPLE
    assert list(written) == list(EXAMPLE), "fields keep their order"
    assert Decision.model_validate_json(decision.model_dump_json()) == decision


def test_it_fits_the_published_schema() -> None:
    schema = json.loads(json_schemas()["decision.schema.json"])
    checker = jsonschema.Draft202012Validator(schema)
    checker.validate(EXAMPLE)
    with pytest.raises(jsonschema.ValidationError):
        checker.validate({**EXAMPLE, "status": "maybe"})


def test_a_decision_from_before_there_were_plans_has_none() -> None:
    before = {name: value for name, value in EXAMPLE.items() if name != "disassembly"}
    assert Decision.model_validate(before).disassembly.steps == []
    schema = json.loads(json_schemas()["decision.schema.json"])
    jsonschema.Draft202012Validator(schema).validate(before)


def test_a_decision_from_before_there_were_tiers_has_no_reason_for_its_own() -> None:
    first = {"model": "regrade-6m", "version": "1", "sha256": "ab", "tier": "small"}
    before = {**EXAMPLE, "distiller": first}
    read = Decision.model_validate(before).distiller
    assert (read.selection, read.device, read.shots) == (None, "", None)
    schema = json.loads(json_schemas()["decision.schema.json"])
    jsonschema.Draft202012Validator(schema).validate(before)


@pytest.mark.parametrize(
    "change", [{"tier": "huge"}, {"selection": {"uncertainty": 0.2}}, {"tier": None}]
)
def test_who_decided_is_told_completely_or_not_at_all(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Decision.model_validate({**EXAMPLE, "distiller": {**EXAMPLE["distiller"], **change}})


def test_probabilities_are_rounded_and_bounded() -> None:
    decision = Decision.model_validate({**EXAMPLE, "confidence": 0.12345678})
    assert decision.confidence == 0.123457
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValidationError):
            Decision.model_validate({**EXAMPLE, "confidence": wrong})


def test_times_are_written_in_utc_with_milliseconds() -> None:
    noon = datetime(2025, 1, 31, 12, 0, 0, 123_999, timezone(timedelta(hours=2)))
    decision = Decision.model_validate({**EXAMPLE, "decided_at": noon})
    assert decision.decided_at.tzinfo is UTC
    assert json.loads(decision.model_dump_json())["decided_at"] == "2025-01-31T10:00:00.123Z"
    with pytest.raises(ValidationError, match="timezone"):
        Decision.model_validate({**EXAMPLE, "decided_at": datetime(2025, 1, 31)})


@pytest.mark.parametrize("change", [{"revision": 0}, {"evidence": []}, {"surprise": 1}])
def test_what_breaks_the_contract_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Decision.model_validate({**EXAMPLE, **change})
