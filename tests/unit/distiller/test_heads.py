"""The heads follow the enums, and temperatures make them honest."""

import pytest
import torch

from agents.distiller.calibration import BOUNDS, calibration_error, fit_temperature
from agents.distiller.heads import HEADS, LOGITS, predictions, probabilities, split
from schemas.decision import Component, Condition, Grade, Material, Option


def test_order_is_that_of_the_enums() -> None:
    assert [(h.name, h.size) for h in HEADS] == [
        ("quality", 4), ("material", 5), ("routing", 6), ("reuse", 5), ("conditions", 6),
    ]  # fmt: skip
    logits = torch.full((1, LOGITS), -20.0)
    for column in (1, 4 + 2, 9 + 5, 15 + 0, 20 + 5):
        logits[0, column] = 20.0
    (said,) = predictions(probabilities(logits, torch.ones(5)), "small")
    assert max(said.quality, key=said.quality.__getitem__) is Grade.B
    assert max(said.material, key=said.material.__getitem__) is Material.PA_GF
    assert max(said.routing, key=said.routing.__getitem__) is Option.HAZARDOUS
    assert [c for c, p in said.reuse.items() if p > 0.5] == [Component.BATTERY]
    assert [c for c, p in said.conditions.items() if p > 0.5] == [Condition.BOARD_HOT_SPOT]


@pytest.fixture
def honest() -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Logits, and truths drawn from exactly the probabilities that they state."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(5_000, LOGITS, generator=generator)
    targets = [
        torch.multinomial(torch.softmax(part, 1), 1, generator=generator).squeeze(1)
        if head.exclusive
        else torch.bernoulli(torch.sigmoid(part), generator=generator)
        for head, part in zip(HEADS, split(logits), strict=True)
    ]
    return logits, targets


def test_temperature_undoes_overconfidence(
    honest: tuple[torch.Tensor, list[torch.Tensor]],
) -> None:
    logits, targets = honest
    temperature = fit_temperature(3 * logits, targets)
    torch.testing.assert_close(temperature, torch.full((5,), 3.0), rtol=0.06, atol=0)
    before = calibration_error(3 * logits, torch.ones(5), targets)
    after = calibration_error(3 * logits, temperature, targets)
    assert all(a < 0.03 < b for a, b in zip(after, before, strict=True))


def test_temperature_stays_in_bounds(honest: tuple[torch.Tensor, list[torch.Tensor]]) -> None:
    logits, _ = honest
    sure = [
        part.argmax(1) if head.exclusive else (part > 0).float()
        for head, part in zip(HEADS, split(logits), strict=True)
    ]
    torch.testing.assert_close(
        fit_temperature(logits, sure), torch.full((5,), BOUNDS[0]), rtol=1e-4, atol=0
    )
