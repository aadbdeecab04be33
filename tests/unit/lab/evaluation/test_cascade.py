"""The weights that ship, on a few units: what each tier costs, and what the cascade spends."""

from statistics import mean
from typing import Any

import pytest
from support.networks import network

from agents.distiller.distiller import Distiller
from agents.distiller.heads import HEADS
from agents.distiller.prediction import Prediction
from agents.lab.evaluation.cascade import mean_cost
from agents.lab.evaluation.pool import Pool
from agents.lab.evaluation.section import Section
from agents.lab.training.cost import multiply_adds
from agents.lab.training.metrics import ALL, SUBSETS
from schemas.decision import Tier

TIERS = [tier.value for tier in Tier]


@pytest.fixture(scope="module")
def distiller() -> Distiller:
    return Distiller.load(threads=None)


def test_a_tier_costs_what_it_computes(cascade: Section, distiller: Distiller) -> None:
    assert list(cascade.data) == [*TIERS, "cascade", "teacher"]
    for tier in Tier:
        found = cascade.data[tier.value]
        assert found["multiply_adds"] == multiply_adds(distiller.model, ALL, tier)
        assert found["tiers"] == {other.value: float(other is tier) for other in Tier}


def test_the_cascade_spends_the_mean_of_what_its_tiers_spend(cascade: Section) -> None:
    """Above the classical tier it has run that one, too; the encoders run once."""
    cost = {tier: cascade.data[tier]["multiply_adds"] for tier in TIERS}
    share, spent = cascade.data["cascade"]["tiers"], cascade.data["cascade"]["multiply_adds"]
    assert sum(share.values()) == pytest.approx(1)
    assert share["classical"] < 1, "these units need circuits"
    assert cost["classical"] <= spent <= cost["classical"] + cost["large"]
    first = (spent - sum(share[tier] * cost[tier] for tier in TIERS)) / (1 - share["classical"])
    assert 0 < first < cost["classical"], "the classical tier, without encoders"
    for tier, part in share.items():
        assert f"{tier} for {100 * part:.1f} %" in cascade.text


def test_a_cost_is_that_of_the_model_at_hand() -> None:
    said = [Prediction({}, {}, {}, {}, {}, tier) for tier in Tier]
    for model in (network(), network(dim=16)):
        assert mean_cost(model, said) == mean(multiply_adds(model, ALL, tier) for tier in Tier)


def test_accuracy_and_calibration_of_every_subset(
    cascade: Section, distiller: Distiller, pool: Pool
) -> None:
    for way in [*TIERS, "cascade"]:
        found = cascade.data[way]
        assert list(found["by_subset"]) == ["+".join(shown) for shown in SUBSETS]
        assert found["by_subset"]["+".join(ALL)] == found["accuracy"]
        assert found["accuracy"]["routing"] > 0.5, "these weights have learnt"
        for head in HEADS:
            error = found["calibration_error"][head.name]
            assert 0 <= error["mean"] <= error["worst"] <= 1
        assert found["microseconds"]["single"] > 0
        assert found["microseconds"]["of 64"] > 0
    knowledge = distiller.model.distill_knowledge(pool.test.features, ALL, Tier.SMALL)
    routing = [head.name for head in HEADS].index("routing")
    right = knowledge.probabilities["routing"].argmax(1) == pool.test.targets[routing]
    assert cascade.data["small"]["accuracy"]["routing"] == pytest.approx(right.double().mean())


def test_the_teacher_is_the_model_cards(cascade: Section, card: dict[str, Any]) -> None:
    teacher = card["metrics"]["teacher"]
    assert cascade.data["teacher"] == teacher
    assert f"{teacher['multiply_adds']:,}" in cascade.text
    fewer = 1 - cascade.data["small"]["multiply_adds"] / teacher["multiply_adds"]
    assert f"| {100 * fewer:.0f} |" in cascade.text
