"""Temperatures make probabilities honest, for every tier and for whatever arrived."""

from copy import deepcopy
from itertools import combinations

import pytest
import torch
from support.networks import M, learnt, network, only, toy, with_holes
from torch import Tensor

from agents.distiller.heads import HEADS, LOGITS, SIZES, losses, probabilities, split
from agents.distiller.model import HybridCrossModalDistiller, every_subset, subset_number
from agents.lab.training.calibration import (
    BOUNDS,
    calibrate,
    calibration_error,
    fit_temperature,
)
from agents.lab.training.dataset import Dataset
from agents.lab.training.metrics import encode, fuse
from schemas.decision import Tier

Honest = tuple[Tensor, list[Tensor]]


@pytest.fixture
def honest() -> Honest:
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


def sure(logits: Tensor) -> list[Tensor]:
    """The truth, had the logits always been right."""
    return [
        part.argmax(1) if head.exclusive else (part > 0).float()
        for head, part in zip(HEADS, split(logits), strict=True)
    ]


def test_temperature_undoes_overconfidence(honest: Honest) -> None:
    logits, targets = honest
    temperature = fit_temperature(3 * logits, targets)
    torch.testing.assert_close(temperature, torch.full((5,), 3.0), rtol=0.06, atol=0)
    before = calibration_error(probabilities(3 * logits, torch.ones(5)), targets)
    after = calibration_error(probabilities(3 * logits, temperature), targets)
    assert all(a < 0.03 < b for a, b in zip(after, before, strict=True))


def test_temperature_stays_in_bounds(honest: Honest) -> None:
    logits, _ = honest
    for truth, bound in ((sure(logits), BOUNDS[0]), (sure(-logits), BOUNDS[1])):
        torch.testing.assert_close(
            fit_temperature(logits, truth), torch.full((5,), bound), rtol=5e-3, atol=0
        )


@pytest.mark.parametrize(
    ("confidence", "right", "error"),
    [
        ([0.85, 0.85], [True, True], 0.15),
        ([0.85, 0.85], [True, False], 0.35),
        ([0.75, 0.95], [True, True], 0.15),  # two bins: (0.25 + 0.05) / 2
        ([0.52, 0.58], [True, False], 0.05),  # one bin: |0.48 - 0.58| / 2
        ([1.0, 1.0], [True, True], 0.0),
    ],
)
def test_calibration_error_by_hand(
    confidence: list[float], right: list[bool], error: float
) -> None:
    probabilities, targets = [], []
    for head in HEADS:
        p = torch.zeros(2, head.size)
        if head.exclusive:
            p[:, 0] = 1 - torch.tensor(confidence)
            p[:, 1] = torch.tensor(confidence)
            targets.append(torch.tensor(right).long())
        else:
            p[:] = torch.tensor(confidence).unsqueeze(1)
            targets.append(torch.tensor(right).float().unsqueeze(1).expand(2, head.size))
        probabilities.append(p)
    assert calibration_error(probabilities, targets) == pytest.approx([error] * 5)


def test_sets_are_numbered() -> None:
    every = every_subset(M)
    assert every.shape == (63, M)
    assert subset_number(every).tolist() == list(range(1, 64))
    assert len({tuple(row) for row in every.tolist()}) == 63
    assert int(subset_number(torch.tensor([True, False, False, True, False, False]))) == 9


def nll(model: HybridCrossModalDistiller, data: Dataset, tier: Tier, *columns: int) -> Tensor:
    """Of each head, in nats, of the calibrated probabilities."""
    mask = only(len(data), *columns)
    logits = fuse(model, encode(model, data), mask, tier)
    t = model.temperature[model.config.tiers.index(tier), subset_number(mask)[0]].double()
    targets = [t if t.dtype == torch.int64 else t.double() for t in data.targets]
    return torch.stack(losses(logits.double() / t.repeat_interleave(torch.tensor(SIZES)), targets))


SETS = [(2,), (0, 5), (1, 2, 4), tuple(range(M))]
TIERS = [Tier.CLASSICAL, Tier.SMALL]


@pytest.fixture(scope="module")
def boastful() -> HybridCrossModalDistiller:
    """A network that is often right, and five times as sure of it as it should be."""
    model = learnt(top=Tier.SMALL)
    for part in (*(trunk.out for trunk in model.trunks), model.gains[Tier.SMALL].linear):
        for parameter in part.parameters():
            parameter.mul_(5)
    return model


@pytest.fixture(scope="module")
def calibrated(boastful: HybridCrossModalDistiller) -> HybridCrossModalDistiller:
    model = deepcopy(boastful)
    calibrate(model, toy(150, seed=1))
    return model


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("shown", SETS)
def test_calibrating_lowers_what_held_out_units_cost(
    boastful: HybridCrossModalDistiller,
    calibrated: HybridCrossModalDistiller,
    tier: Tier,
    shown: tuple[int, ...],
) -> None:
    held_out = toy(150, seed=2)
    before, after = (nll(model, held_out, tier, *shown) for model in (boastful, calibrated))
    assert after.sum() < before.sum() - 0.1
    assert (after < before + 0.01).all()


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("shown", SETS)
def test_for_each_set_and_tier_confidence_is_how_often_it_is_right(
    calibrated: HybridCrossModalDistiller, tier: Tier, shown: tuple[int, ...]
) -> None:
    """On the units that it was fitted on."""
    data = toy(150, seed=1)
    mask = only(len(data), *shown)
    logits = fuse(calibrated, encode(calibrated, data), mask, tier)
    for head, p, target in zip(
        HEADS, calibrated.calibrated(logits, mask, tier), data.targets, strict=True
    ):
        confidence = p.amax(1) if head.exclusive else torch.maximum(p, 1 - p)
        right = p.argmax(1) == target if head.exclusive else (p > 0.5) == (target > 0.5)
        assert 0.3 < right.double().mean() < 1
        assert confidence.mean().item() == pytest.approx(right.double().mean().item(), abs=4e-3)


def test_temperatures_are_each_sets_own(calibrated: HybridCrossModalDistiller) -> None:
    assert len(torch.unique(calibrated.temperature[:, 1:], dim=1)[0]) > 40


def test_a_set_that_never_arrived_keeps_one() -> None:
    model, data = network(top=Tier.CLASSICAL).float(), with_holes(toy(12))
    calibrate(model, data)
    rows = [set(row.nonzero().flatten().tolist()) for row in data.arrived]
    for size in range(1, M + 1):
        for shown in combinations(range(M), size):
            seen = any(set(shown) <= row for row in rows)
            t = model.temperature[0, sum(2**c for c in shown)]
            assert bool((t != 1).all()) is seen, shown


def test_units_without_labels_do_not_count() -> None:
    data = toy(60)
    data.labelled[30:] = False
    labelled, all_of_them, nobody = (network(top=Tier.CLASSICAL).float() for _ in range(3))
    calibrate(labelled, data.rows(data.labelled))
    calibrate(all_of_them, data)
    assert torch.equal(labelled.temperature, all_of_them.temperature)
    calibrate(nobody, data.unlabelled())
    assert (nobody.temperature == 1).all()
