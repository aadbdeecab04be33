"""The heads follow the enums."""

import pytest
import torch
from support.networks import numbers

from agents.distiller.heads import HEADS, LOGITS, losses, predictions, probabilities, split
from schemas.decision import Component, Condition, Grade, Material, Option, Tier


def test_order_is_that_of_the_enums() -> None:
    assert [(h.name, h.size) for h in HEADS] == [
        ("quality", 4), ("material", 5), ("routing", 6), ("reuse", 5), ("conditions", 6),
    ]  # fmt: skip
    logits = torch.full((1, LOGITS), -20.0)
    for column in (1, 4 + 2, 9 + 5, 15 + 0, 20 + 5):
        logits[0, column] = 20.0
    (said,) = predictions(probabilities(logits, torch.ones(5)), Tier.MEDIUM)
    assert max(said.quality, key=said.quality.__getitem__) is Grade.B
    assert max(said.material, key=said.material.__getitem__) is Material.PA_GF
    assert max(said.routing, key=said.routing.__getitem__) is Option.HAZARDOUS
    assert [c for c, p in said.reuse.items() if p > 0.5] == [Component.BATTERY]
    assert [c for c, p in said.conditions.items() if p > 0.5] == [Condition.BOARD_HOT_SPOT]
    assert said.tier is Tier.MEDIUM
    assert said.selection is None


def test_temperatures_are_of_all_rows_or_of_each() -> None:
    logits, temperature = numbers(3, LOGITS), 1 + numbers(3, 5, seed=1).abs()
    each = probabilities(logits, temperature)
    for row in range(3):
        alone = probabilities(logits[row : row + 1], temperature[row])
        for one, other in zip(each, alone, strict=True):
            torch.testing.assert_close(one[row], other[0])


def test_losses_by_hand() -> None:
    """Logits of 0 say that all classes are alike."""
    targets = [torch.zeros(2, dtype=torch.int64)] * 3 + [torch.ones(2, 5), torch.zeros(2, 6)]
    found = losses(torch.zeros(2, LOGITS), targets)
    assert [loss.exp().item() for loss in found] == pytest.approx([4, 5, 6, 2, 2])


@pytest.mark.parametrize(
    ("routing", "uncertainty"),
    [([9.0] * 6, 1.0), ([99.0, 0, 0, 0, 0, 0], 0.0), ([9.0, 9, 9, -99, -99, -99], 0.613147)],
)
def test_uncertainty_is_that_of_the_routing(routing: list[float], uncertainty: float) -> None:
    logits = numbers(1, LOGITS)
    split(logits)[2][0] = torch.tensor(routing)
    (said,) = predictions(probabilities(logits, torch.ones(5)), Tier.SMALL)
    assert said.uncertainty == pytest.approx(uncertainty, abs=1e-6)
