"""What a changed table or a changed model does shows as exactly the units that it must change."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support.decided import decide_units

from agents.decide.decider import Decider
from agents.decide.policy import Policy
from agents.distiller.files import WEIGHTS, load_model, save_model
from schemas.decision import Decision, Option
from stream.configure import load_decider
from stream.replay.diff import Comparison
from stream.settings import Settings

UNITS = 150


@pytest.fixture(scope="module")
def decider() -> Decider:
    return load_decider(Settings())


def differing(a: list[Decision], b: list[Decision], tolerance: float) -> set[str]:
    comparison = Comparison(Policy.load(), tolerance=tolerance)
    for side, decisions in enumerate((a, b)):
        for decision in decisions:
            comparison.add(side, decision)
    return {pair.either.unit_id for pair in comparison.report().worst}


def what_is_done(decision: Decision) -> tuple[object, ...]:
    """The fields of a decision that somebody acts on."""
    said = decision.model_dump(mode="json")
    routing = said["routing"]
    return (
        routing["option"],
        routing["hold_for_human"],
        frozenset(routing["reasons"]),
        said["quality"]["grade"],
        said["material"]["type"],
        [step["part"] for step in said["disassembly"]["steps"]],
    )


def must_differ(a: list[Decision], b: list[Decision]) -> set[str]:
    return {
        one.unit_id
        for one, other in zip(a, b, strict=True)
        if what_is_done(one) != what_is_done(other)
    }


def test_one_changed_entry_of_the_table(decider: Decider) -> None:
    options = dict(decider.policy.options)
    dearer = options[Option.RESELL].model_copy(update={"misrouting_cost": 150.0})
    policy = decider.policy.model_copy(update={"options": options | {Option.RESELL: dearer}})
    before = decide_units(decider, UNITS)
    after = decide_units(replace(decider, policy=policy), UNITS)
    expected = {
        one.unit_id
        for one, other in zip(before, after, strict=True)
        if one.routing.option is not other.routing.option
    }
    # The table that changed is the only reason why a unit goes elsewhere: away from reselling.
    assert {one.routing.option for one in before if one.unit_id in expected} == {Option.RESELL}
    assert 0 < len(expected) < UNITS
    # Confidence is that of the chosen option, so nothing else can have changed either.
    assert differing(before, after, tolerance=0.0) == expected == must_differ(before, after)


def test_one_changed_model(decider: Decider, tmp_path: Path) -> None:
    model, _ = load_model(WEIGHTS)
    with torch.no_grad():
        torch.manual_seed(3)
        for values in model.parameters():
            values += 0.03 * values.std(correction=0) * torch.randn_like(values)
    path = tmp_path / "other.safetensors"
    save_model(path, model)
    path.with_suffix(".json").write_text(WEIGHTS.with_suffix(".json").read_text())
    before = decide_units(decider, UNITS)
    after = decide_units(load_decider(Settings(weights_path=path)), UNITS)
    expected = must_differ(before, after)
    assert 0 < len(expected) < UNITS
    assert differing(before, after, tolerance=1.0) == expected
    surer = {
        one.unit_id
        for one, other in zip(before, after, strict=True)
        if abs(one.confidence - other.confidence) > 0.05
    }
    assert differing(before, after, tolerance=0.05) == expected | surer
