"""The measurement, on a tiny model: complete, reproducible, and honest about doing nothing."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from agents.distiller.model import HybridCrossModalDistiller, ModelConfig
from agents.lab.noise.inputs import importance_of, pairs_of, routing_from
from agents.lab.noise.measurement import NoiseSettings, measure
from agents.lab.noise.report import change, factor
from agents.lab.training.dataset import SHAPES
from schemas.decision import Tier
from schemas.modality import MODALITIES

TINY = NoiseSettings(units=25, training_units=25, shots=1000, checked=2)


@pytest.fixture(scope="module")
def small() -> HybridCrossModalDistiller:
    """Two modalities, two pairs of three qubits, random weights."""
    shapes = {m: SHAPES[m] for m in MODALITIES[:2]}
    config = ModelConfig(shapes, dim=6, qubits={Tier.SMALL: 3}, top=Tier.SMALL)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return HybridCrossModalDistiller(config).double().eval()


def test_the_report_is_complete(small: HybridCrossModalDistiller) -> None:
    seen: list[tuple[int, int]] = []
    report = measure(TINY, lambda done, total: seen.append((done, total)), small)
    assert seen == [(i + 1, len(seen)) for i in range(len(seen))]
    assert report.difference < 1e-10
    found = json.loads(json.dumps(report.as_json()))
    assert found["settings"]["pairs"] == 2
    assert found["settings"]["qubits"] == 3
    names = {(e["technique"], e["in_company"]) for e in found["effects"]}
    for technique in ("placement", "tight scheduling", "decoupling", "corrector"):
        assert {(technique, False), (technique, True)} <= names
    for effect in found["effects"]:
        assert effect["error_factor"]["low"] <= effect["error_factor"]["high"]
        assert effect["verdict"] in {"helps", "harms", "no effect shown"}
    errors = {run["run"]: run["mean_absolute_error"] for run in found["runs"]}
    assert len(errors) == len(found["runs"])
    assert errors["all that are on"] < errors["nothing done"]
    text = report.as_markdown()
    assert all(run.name in text for run in report.runs)


def test_the_seed_determines_every_figure(small: HybridCrossModalDistiller) -> None:
    quick = replace(TINY, company=False, checked=0)
    first, again, other = (measure(replace(quick, seed=seed), model=small) for seed in (1, 1, 2))
    assert first.runs == again.runs
    assert first.effects == again.effects
    assert first.runs != other.runs


def test_without_noise_only_shots_are_left(small: HybridCrossModalDistiller) -> None:
    quiet = replace(TINY, company=False, checked=0, noise=0.0, shots=10**8)
    report = measure(quiet, model=small)
    for run in report.runs:
        if "features only" not in run.name:
            assert run.error < 1e-3, run.name
            assert run.agreement == 1.0, run.name


def test_a_model_without_circuits_is_refused(small: HybridCrossModalDistiller) -> None:
    config = replace(small.config, top=Tier.CLASSICAL)
    with pytest.raises(ValueError, match="no pair circuits"):
        measure(TINY, model=HybridCrossModalDistiller(config).double())


def test_exact_readouts_give_the_models_own_decisions(small: HybridCrossModalDistiller) -> None:
    h = torch.randn(5, 2, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    pairs = pairs_of(small, h)
    mask = torch.ones(5, 2, dtype=torch.bool)
    whole = small.fuse(h, mask)
    routing = routing_from(small, h, pairs.clean)
    assert any(torch.equal(routing, whole[:, i : i + routing.shape[1]]) for i in range(20))
    assert not torch.equal(routing, routing_from(small, h, -pairs.clean))
    torch.testing.assert_close(small.fuse(h, mask), whole)


def test_importance_is_the_influence_on_the_routing(small: HybridCrossModalDistiller) -> None:
    h = torch.randn(5, 2, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    importance = importance_of(small, h)
    assert importance.shape == (2, 3)
    np.testing.assert_allclose(importance.sum(1), 1)
    z = pairs_of(small, h).clean.detach()
    moved = np.zeros((2, 3))
    with torch.no_grad():
        for pair, value in np.ndindex(2, 3):
            nudged = z.clone()
            nudged[:, pair, value] += 1e-5
            moves = routing_from(small, h, nudged) - routing_from(small, h, z)
            moved[pair, value] = moves.square().sum(1).mean().sqrt()
    np.testing.assert_allclose(importance, moved / moved.sum(1, keepdims=True), rtol=1e-3)


def test_an_interval_covers_what_is_known() -> None:
    generator = np.random.default_rng(0)
    without = generator.uniform(0.5, 1.5, (200, 20))
    found = factor(without, without / 2, generator)
    assert (found.low, found.value, found.high) == pytest.approx((2, 2, 2))
    noisy = factor(without, generator.permuted(without, axis=0), generator)
    assert noisy.low < 1 < noisy.high
    difference = change(np.zeros(100), np.full(100, 0.25), generator)
    assert (difference.low, difference.value, difference.high) == pytest.approx((0.25,) * 3)
