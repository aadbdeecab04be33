"""Verdicts of the policy that ships, and of tables made for one point each."""

import math

import pytest

from agents.decide.policy import HardRule, Policy
from schemas import Condition, Grade, Material, Option

from .examples import prediction

POLICY = Policy.load()
RESELL, REFURBISH, REMANUFACTURE, HARVEST, RECYCLE, HAZARDOUS = Option
A, B, C, D = Grade
SWOLLEN, DEGRADED, LIQUID = (
    Condition.BATTERY_SWOLLEN,
    Condition.BATTERY_DEGRADED,
    Condition.LIQUID_DAMAGE,
)
NATURAL = {
    RESELL: A,
    REFURBISH: B,
    REMANUFACTURE: C,
    HARVEST: D,
    RECYCLE: D,
    HAZARDOUS: C,
}


def flat(policy: Policy, **changes: object) -> Policy:
    """A table in which every option is worth 10 and a mistake costs 10."""
    row = {
        "value": dict.fromkeys(Grade, 10),
        "value_of_material": dict.fromkeys(Material, 0),
        "co2": dict.fromkeys(Grade, 0),
        "co2_of_material": dict.fromkeys(Material, 0),
        "misrouting_cost": 10,
    }
    return Policy.model_validate(
        {**policy.model_dump(), "options": dict.fromkeys(Option, row), **changes}
    )


@pytest.mark.parametrize("option", Option)
def test_a_sure_finding_is_followed(option: Option) -> None:
    others = [other for other in Option if other is not option]
    routing = {option: 0.8, **dict.fromkeys(others, 0.04)}
    verdict = POLICY.rule_on(prediction(routing, quality={NATURAL[option]: 1.0}))
    assert verdict.routing.option is option
    assert verdict.confidence == 0.8
    assert not verdict.routing.hold_for_human
    assert verdict.forced_by is None


@pytest.mark.parametrize("grade", Grade)
@pytest.mark.parametrize("kind", Material)
def test_hazardous_never_loses_for_earning_nothing(grade: Grade, kind: Material) -> None:
    for rival in (REFURBISH, REMANUFACTURE, HARVEST, RECYCLE):
        sure = prediction({HAZARDOUS: 0.6, rival: 0.4}, quality={grade: 1.0}, material=kind)
        assert POLICY.rule_on(sure).routing.option is HAZARDOUS


@pytest.mark.parametrize(
    ("routing", "quality", "material", "expected"),
    [
        # A close call goes where the unit is worth more...
        ({RESELL: 0.5, REFURBISH: 0.5}, A, Material.ABS, RESELL),
        ({RESELL: 0.5, REFURBISH: 0.5}, C, Material.ABS, REFURBISH),
        ({REFURBISH: 0.48, REMANUFACTURE: 0.52}, B, Material.ABS, REFURBISH),
        ({REFURBISH: 0.46, REMANUFACTURE: 0.54}, C, Material.ABS, REMANUFACTURE),
        # ...the housing's material tilts too...
        ({HARVEST: 0.5, RECYCLE: 0.5}, D, Material.ALUMINIUM, RECYCLE),
        ({HARVEST: 0.5, RECYCLE: 0.5}, D, Material.PA_GF, HARVEST),
        # ...but what is not close is not tilted.
        ({RESELL: 0.25, RECYCLE: 0.75}, D, Material.ABS, RECYCLE),
        ({RESELL: 0.75, RECYCLE: 0.25}, C, Material.ABS, RESELL),
    ],
)
def test_value_tilts_close_calls(
    routing: dict[Option, float], quality: Grade, material: Material, expected: Option
) -> None:
    verdict = POLICY.rule_on(prediction(routing, quality={quality: 1.0}, material=material))
    assert verdict.routing.option is expected


def test_expected_value_by_hand() -> None:
    verdict = POLICY.rule_on(prediction({REFURBISH: 0.7, HARVEST: 0.3}, quality={B: 0.6, C: 0.4}))
    worth = 0.6 * (42 + 0.07 * 100) + 0.4 * (34 + 0.07 * 90)
    assert verdict.routing.expected_value == round(0.7 * worth - 0.3 * 30, 2)
    assert verdict.routing.alternatives[0].option is HARVEST
    values = [item.expected_value for item in verdict.routing.alternatives]
    assert values == sorted(values, reverse=True)
    assert len(values) == len(Option) - 1


def test_co2_counts_by_its_weight() -> None:
    close = prediction({REFURBISH: 0.49, HARVEST: 0.51}, quality={D: 1.0})
    assert POLICY.rule_on(close).routing.option is HARVEST
    green = POLICY.model_copy(update={"co2_weight": 5.0})
    fresh = Policy.model_validate(green.model_dump())
    assert fresh.rule_on(close).routing.option is REFURBISH


@pytest.mark.parametrize(("probability", "forced"), [(0.49, False), (0.5, True), (0.99, True)])
def test_a_hard_rule_wins_whatever_it_is_worth(probability: float, forced: bool) -> None:
    sure = prediction({RESELL: 1.0}, quality={A: 1.0}, conditions={SWOLLEN: probability})
    verdict = POLICY.rule_on(sure)
    assert verdict.routing.option is (HAZARDOUS if forced else RESELL)
    assert verdict.forced_by is (SWOLLEN if forced else None)
    assert verdict.routing.reasons == (["battery-swollen"] if forced else [])
    assert not verdict.routing.hold_for_human, "a swollen battery does not wait for a human"
    if forced:
        assert verdict.confidence == 0
        assert verdict.routing.alternatives[0].option is RESELL


def test_the_first_rule_that_fires_decides_and_is_a_reason() -> None:
    rules = [
        HardRule(condition=LIQUID, probability=0.2, option=HARVEST),
        HardRule(condition=SWOLLEN, probability=0.5, option=HAZARDOUS),
    ]
    policy = POLICY.model_copy(update={"hard_rules": rules})
    both = prediction({RESELL: 1.0}, conditions={LIQUID: 0.3, SWOLLEN: 0.9})
    verdict = policy.rule_on(both)
    assert verdict.routing.option is HARVEST
    assert verdict.routing.reasons == ["battery-swollen", "liquid-damage"]
    assert policy.rule_on(prediction({RESELL: 1.0}, conditions={LIQUID: 0.1})).forced_by is None


@pytest.mark.parametrize(
    ("conditions", "reasons"),
    [
        ({}, []),
        ({DEGRADED: 0.4999}, []),
        ({DEGRADED: 0.5}, ["battery-degraded"]),
        ({DEGRADED: 0.6, LIQUID: 0.7}, ["liquid-damage", "battery-degraded"]),
        ({LIQUID: 0.6, DEGRADED: 0.6}, ["battery-degraded", "liquid-damage"]),
    ],
)
def test_reasons_come_most_probable_first(
    conditions: dict[Condition, float], reasons: list[str]
) -> None:
    verdict = POLICY.rule_on(prediction({HARVEST: 1.0}, conditions=conditions))
    assert verdict.routing.reasons == reasons


@pytest.mark.parametrize(("share", "held"), [(0.44, True), (0.45, False), (0.9, False)])
def test_below_the_floor_a_human_looks(share: float, held: bool) -> None:
    rest = (1 - share) / 5
    routing = {option: share if option is HARVEST else rest for option in Option}
    verdict = POLICY.rule_on(prediction(routing, quality={D: 1.0}))
    assert verdict.routing.option is HARVEST
    assert verdict.routing.hold_for_human is held


def test_ties_go_to_the_class_that_is_declared_first() -> None:
    policy = flat(POLICY)
    alike = prediction(
        dict.fromkeys(Option, 1 / 6), quality=dict.fromkeys(Grade, 0.25), conditions={}
    )
    verdict = policy.rule_on(alike)
    assert verdict.routing.option is RESELL
    assert [item.option for item in verdict.routing.alternatives] == list(Option)[1:]
    assert verdict.grade is A
    assert verdict.uncertainty == 1
    assert verdict.criticality == 0, "where all is worth the same nothing is at stake"


def test_grade_and_material_are_the_most_probable() -> None:
    verdict = POLICY.rule_on(
        prediction({HARVEST: 1.0}, quality={B: 0.3, C: 0.4, D: 0.3}, material=Material.MAGNESIUM)
    )
    assert (verdict.grade, verdict.material) == (C, Material.MAGNESIUM)


@pytest.mark.parametrize(
    ("routing", "entropy"),
    [
        ({HARVEST: 1.0}, 0.0),
        ({HARVEST: 0.5, RECYCLE: 0.5}, math.log(2) / math.log(6)),
        (dict.fromkeys(Option, 1 / 6), 1.0),
    ],
)
def test_uncertainty_is_normalised_entropy(routing: dict[Option, float], entropy: float) -> None:
    assert POLICY.rule_on(prediction(routing)).uncertainty == round(entropy, 6)


def test_criticality_grows_with_stakes_and_with_hazard() -> None:
    def critical(option: Option, grade: Grade, swollen: float = 0.0) -> float:
        unit = prediction({option: 1.0}, quality={grade: 1.0}, conditions={SWOLLEN: swollen})
        return POLICY.rule_on(unit).criticality

    assert critical(RESELL, A) > critical(REFURBISH, B) > critical(RECYCLE, D)
    assert critical(RECYCLE, D) < critical(RECYCLE, D, 0.2) < critical(RECYCLE, D, 0.4)
    assert critical(HAZARDOUS, D, 1.0) >= 0.9


@pytest.mark.parametrize("swollen", [0.0, 0.3, 0.9])
def test_criticality_alone_is_that_of_the_verdict(swollen: float) -> None:
    """Also where a hard rule decides."""
    unit = prediction({RESELL: 0.9, HARVEST: 0.1}, quality={A: 1.0}, conditions={SWOLLEN: swollen})
    assert round(POLICY.criticality(unit), 6) == POLICY.rule_on(unit).criticality
