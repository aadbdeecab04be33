"""The cascade: which tier a unit gets, why, and that it is that tier's answer."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.networks import encodings, masks, network

from agents.distiller.attention import Variant
from agents.distiller.circuits.backend import backend
from agents.distiller.distiller import Distiller, Encoding
from agents.distiller.files import MODEL, VERSION
from agents.distiller.hierarchy import FEWEST, HierarchicalDistillation
from agents.distiller.model import NoEvidence
from agents.distiller.prediction import Prediction
from agents.distiller.thresholds import Thresholds
from schemas.decision import Component, Condition, Grade, Material, Option, Tier
from schemas.modality import MODALITIES, Modality

CLASSICAL, SMALL, MEDIUM, LARGE = Tier
Unit = dict[Modality, Encoding]


def swollen(prediction: Prediction) -> float:
    """What these tests take for criticality."""
    return prediction.conditions[Condition.BATTERY_SWOLLEN]


@pytest.fixture(scope="module")
def distiller() -> Distiller:
    """Random weights; low temperatures make it sure of much and in doubt of some."""
    model = network()
    model.temperature.fill_(0.01)
    model.temperature[..., 2] = 0.1
    return Distiller(model, "cafe", micro_batch=16)


@pytest.fixture(scope="module")
def units() -> list[Unit]:
    h = encodings(90).float().numpy()
    return [
        {m: h[row, column] for column, m in enumerate(MODALITIES) if there[column]}
        for row, there in enumerate(masks(90).tolist())
    ]


def cascade(distiller: Distiller, **thresholds: float) -> HierarchicalDistillation:
    return HierarchicalDistillation(distiller, swollen, Thresholds(**thresholds))


def finding(criticality: float, *options: Option) -> Prediction:
    """Options that are all alike, and so much of what `swollen` reads."""
    return Prediction(
        quality=dict.fromkeys(Grade, 0.25),
        material=dict.fromkeys(Material, 0.2),
        routing={o: (o in options) / len(options) for o in Option},
        reuse=dict.fromkeys(Component, 0.5),
        conditions=dict.fromkeys(Condition, 0.0) | {Condition.BATTERY_SWOLLEN: criticality},
        tier=CLASSICAL,
    )


@pytest.mark.parametrize(
    ("uncertainty", "criticality", "tier"),
    [
        (0.0, 0.0, CLASSICAL),
        (0.099, 0.299, CLASSICAL),
        # Both must be low for the classical tier...
        (0.1, 0.0, SMALL),
        (0.0, 0.3, SMALL),
        # ...either for the small one...
        (0.0, 1.0, SMALL),
        (0.299, 1.0, SMALL),
        (1.0, 0.0, SMALL),
        (1.0, 0.599, SMALL),
        # ...and for the medium one.
        (0.3, 0.6, MEDIUM),
        (0.599, 1.0, MEDIUM),
        (1.0, 0.6, MEDIUM),
        (1.0, 0.799, MEDIUM),
        (0.6, 0.8, LARGE),
        (1.0, 1.0, LARGE),
    ],
)
def test_the_rules_of_the_article(
    distiller: Distiller, uncertainty: float, criticality: float, tier: Tier
) -> None:
    assert cascade(distiller).smart_circuit_selection(uncertainty, criticality) is tier


shares = st.floats(0, 1)


@given(a=shares, b=shares, c=shares, d=shares)
def test_more_doubt_or_more_at_stake_never_takes_less(
    distiller: Distiller, a: float, b: float, c: float, d: float
) -> None:
    rule = cascade(distiller).smart_circuit_selection
    less, more = rule(min(a, b), min(c, d)), rule(max(a, b), max(c, d))
    assert list(Tier).index(less) <= list(Tier).index(more)


@pytest.mark.parametrize(
    ("options", "criticality", "arrived", "tier", "rule"),
    [
        (1, 0.2, 6, CLASSICAL, "uncertainty < 0.1 and criticality < 0.3"),
        (1, 0.2, 1, CLASSICAL, "uncertainty < 0.1 and criticality < 0.3"),
        (1, 0.4, 2, SMALL, "uncertainty < 0.3 or criticality < 0.6"),
        (2, 0.7, 3, MEDIUM, "uncertainty < 0.6 or criticality < 0.8"),
        (6, 0.9, 3, LARGE, "uncertainty >= 0.6 and criticality >= 0.8"),
        # Where too little arrived for the circuits of a tier, the rule says so.
        (1, 0.4, 1, CLASSICAL, "uncertainty < 0.3 or criticality < 0.6, but with 1 of"),
        (2, 0.7, 1, CLASSICAL, "uncertainty < 0.6 or criticality < 0.8, but with 1 of"),
        (2, 0.7, 2, SMALL, "criticality < 0.8, but with 2 of the modalities nothing above small"),
        (6, 0.9, 1, CLASSICAL, ">= 0.8, but with 1 of the modalities nothing above classical"),
        (6, 0.9, 2, SMALL, ">= 0.8, but with 2 of the modalities nothing above small"),
    ],
)
def test_what_arrived_bounds_the_tier(
    distiller: Distiller, options: int, criticality: float, arrived: int, tier: Tier, rule: str
) -> None:
    said = finding(criticality, *list(Option)[:options])
    found, selection = cascade(distiller).select(said, arrived)
    assert found is tier
    assert rule in selection.rule
    assert ("but with" in selection.rule) is ("but with" in rule)
    assert selection.uncertainty == round(said.uncertainty, 6)
    assert selection.criticality == criticality


def test_a_plants_own_thresholds_count_and_are_named(distiller: Distiller) -> None:
    low = cascade(
        distiller, classical_criticality=0.2, small_criticality=0.25, small_uncertainty=0.15
    )
    assert low.smart_circuit_selection(0.09, 0.25) is SMALL
    assert low.smart_circuit_selection(0.15, 0.24) is SMALL
    tier, selection = low.select(finding(0.25, *list(Option)[:2]), 6)
    assert tier is MEDIUM
    assert selection.rule == "uncertainty < 0.6 or criticality < 0.8"
    _, selection = low.select(finding(0.24, *list(Option)[:2]), 6)
    assert selection.rule == "uncertainty < 0.15 or criticality < 0.25"


@pytest.mark.parametrize(
    "wrong",
    [
        {"classical_uncertainty": -0.1},
        {"medium_criticality": 1.1},
        {"small_uncertainty": 0.05},
        {"medium_criticality": 0.5},
        {"small_criticality": float("nan")},
    ],
)
def test_thresholds_that_do_not_rise_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must rise from tier to tier within 0 to 1"):
        Thresholds(**wrong)


def test_thresholds_may_be_equal_and_so_leave_tiers_out(distiller: Distiller) -> None:
    ends = dict.fromkeys(Thresholds.__dataclass_fields__, 0.0)
    assert cascade(distiller, **ends).smart_circuit_selection(0.0, 0.0) is LARGE
    ends = dict.fromkeys(Thresholds.__dataclass_fields__, 1.0)
    assert cascade(distiller, **ends).smart_circuit_selection(0.999, 0.999) is CLASSICAL


def test_every_unit_gets_its_tiers_answer_and_the_reason(
    distiller: Distiller, units: list[Unit]
) -> None:
    """In order; the reason is what the classical tier thought, whatever came of it."""
    hierarchy = cascade(distiller)
    found = hierarchy.distill(units)
    assert {said.tier for said in found} == set(Tier), "these units are of all sorts"
    by_tier = {tier: distiller.distill(units, tier) for tier in Tier}
    for row, (unit, said) in enumerate(zip(units, found, strict=True)):
        classical = by_tier[CLASSICAL][row]
        tier, selection = hierarchy.select(classical, len(unit))
        assert said.tier is tier
        assert len(unit) >= FEWEST[tier]
        assert said.selection == selection
        assert selection.uncertainty == round(classical.uncertainty, 6)
        assert selection.criticality == round(swollen(classical), 6)
        expected = by_tier[tier][row]
        for name in ("quality", "material", "routing", "reuse", "conditions"):
            one, other = getattr(said, name), getattr(expected, name)
            assert list(one) == list(other)
            np.testing.assert_allclose(list(one.values()), list(other.values()), rtol=0, atol=1e-12)


def test_a_unit_does_not_care_for_its_company(distiller: Distiller, units: list[Unit]) -> None:
    hierarchy = cascade(distiller)
    together, backwards = hierarchy.distill(units), hierarchy.distill(units[::-1])[::-1]
    alone = [hierarchy.distill([unit])[0] for unit in units[:10]]
    for others in (backwards, alone):
        for one, other in zip(together, others, strict=False):
            assert one.tier is other.tier
            assert one.selection == other.selection
            assert one.routing == pytest.approx(other.routing, abs=1e-12)


def test_nothing_and_no_evidence(distiller: Distiller, units: list[Unit]) -> None:
    assert cascade(distiller).distill([]) == []
    with pytest.raises(NoEvidence):
        cascade(distiller).distill([units[0], {}])


def test_a_decision_is_told_who_decided(distiller: Distiller, units: list[Unit]) -> None:
    hierarchy = cascade(distiller)
    for said in hierarchy.distill(units[:8]):
        info = hierarchy.info(said)
        assert (info.model, info.version, info.sha256) == (MODEL, VERSION, "cafe")
        assert (info.tier, info.selection) == (said.tier, said.selection)
        assert (info.device, info.shots) == ("none" if said.tier is CLASSICAL else "exact", None)
    assert hierarchy.info(finding(0.0, Option.RESELL)).selection is None


@pytest.mark.parametrize(
    ("variant", "device", "shots", "told"),
    [
        ("hybrid", "exact", None, ("exact", None)),
        ("hybrid", "default.qubit", 100, ("default.qubit", 100)),
        ("no-entanglement", None, None, ("exact", None)),
        ("classical-twin", None, None, ("none", None)),
        ("dot-product", None, None, ("none", None)),
    ],
)
def test_a_decision_is_told_what_ran_the_circuits(
    variant: Variant, device: str | None, shots: int | None, told: tuple[str, int | None]
) -> None:
    model = network(variant=variant, top=Tier.SMALL)
    if device:
        model.run_on(backend(device, shots))
    small = replace(finding(0.0, Option.RESELL), tier=Tier.SMALL)
    info = cascade(Distiller(model, "cafe")).info(small)
    assert (info.device, info.shots) == told
