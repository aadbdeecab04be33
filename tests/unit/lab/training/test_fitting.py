"""The optimisation: it learns, it can be interrupted, and it leaves torch as it was."""

from dataclasses import replace
from math import isfinite
from pathlib import Path

import pytest
import torch
from support.networks import config, toy, with_holes
from torch import Tensor, nn

from agents.distiller.attention import VARIANTS, Variant
from agents.distiller.files import WeightsError
from agents.distiller.model import HybridCrossModalDistiller
from agents.lab.training.dataset import Dataset
from agents.lab.training.fitting import (
    FitConfig,
    Learner,
    Supervised,
    build,
    fit,
    schedule,
    torch_threads,
)
from schemas.decision import Tier
from schemas.modality import MODALITIES, Modality

BUDGET = FitConfig(epochs=2, batch=20, learning_rate=1e-2)


@pytest.fixture(scope="module")
def data() -> Dataset:
    return toy(60)


def pupil(data: Dataset, seed: int = 1, **changes: object) -> HybridCrossModalDistiller:
    return build(config(**changes), seed, data)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_learns(data: Dataset, variant: Variant) -> None:
    model = pupil(data, variant=variant, top=Tier.SMALL)
    history = fit(Supervised(model, top_only=True), data, replace(BUDGET, epochs=6))
    assert history[-1] < 0.9 * history[0]
    assert not model.training


def test_only_the_highest_tier_learns_on_request(data: Dataset) -> None:
    def moved(top_only: bool) -> set[str]:
        model = pupil(data, top=Tier.SMALL)
        before = {name: p.detach().clone() for name, p in model.named_parameters()}
        fit(Supervised(model, top_only=top_only), data, replace(BUDGET, epochs=1))
        return {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}

    everything = {name for name, _ in pupil(data, top=Tier.SMALL).named_parameters()}
    assert moved(top_only=False) == everything
    assert moved(top_only=True) == {n for n in everything if not n.startswith("trunks.0.")}


def test_another_seed_other_weights(data: Dataset) -> None:
    one, two = pupil(data), pupil(data, seed=2)
    assert not torch.equal(one.circuits["small"].w, two.circuits["small"].w)


def test_features_are_standardised_by_what_arrived() -> None:
    """What stands where nothing came, however large, is no part of the statistics."""
    data = with_holes(toy(80), instead=1e6)
    model = pupil(data)
    for column, m in enumerate(MODALITIES):
        there = data.features[m][data.arrived[:, column]]
        standard = model.encoders[m].get_submodule("0")(there)
        assert standard.abs().max() <= 6
        axes = [0, *range(2, there.ndim)]
        torch.testing.assert_close(
            standard.mean(axes), torch.zeros(there.shape[1]), rtol=0, atol=0.05
        )


class Watched(Learner):
    """Notes what it is shown, and learns nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.seen: list[tuple[Tensor, Tensor]] = []

    def loss(self, rows: Dataset, mask: Tensor, index: Tensor) -> Tensor:
        assert torch.equal(rows.features[Modality.TEXT], self.data.features[Modality.TEXT][index])
        self.seen.append((index, mask))
        return self.weight * len(index)


def test_every_epoch_shows_every_unit_once_and_otherwise(data: Dataset) -> None:
    learner = Watched()
    learner.data = data
    rare = dict.fromkeys(MODALITIES, 1.0) | {Modality.TEXT: 0.01}
    history = fit(learner, data, replace(BUDGET, epochs=4, batch=25, full=0.0), abundance=rare)
    assert [len(index) for index, _ in learner.seen] == [25, 25, 10] * 4
    assert history == pytest.approx([(25 * 25 * 2 + 10 * 10) / 60] * 4, rel=0.2)  # mean by unit
    epochs = [
        tuple(torch.cat(part) for part in zip(*learner.seen[i : i + 3], strict=True))
        for i in range(0, 12, 3)
    ]
    orders = [index.tolist() for index, _ in epochs]
    assert all(sorted(order) == list(range(60)) for order in orders)
    by_unit = [mask[index.argsort()] for index, mask in epochs]
    for i in range(4):
        for j in range(i):
            assert orders[i] != orders[j]
            assert not torch.equal(by_unit[i], by_unit[j])
    kept = torch.cat(by_unit).double().mean(0)
    assert kept[MODALITIES.index(Modality.TEXT)] > 0.95, "the rare one stays"
    assert kept.median() < 0.6


class Killed(Exception):
    """What the test does to the training."""


def test_resumed_equals_uninterrupted(data: Dataset, tmp_path: Path) -> None:
    budget = replace(BUDGET, epochs=3)
    whole = pupil(data)
    history = fit(Supervised(whole), data, budget)

    def kill(stage: str, done: int, total: int, loss: float) -> None:
        assert isfinite(loss)
        if done == 7:  # the first step of the last of three epochs
            raise Killed

    path = tmp_path / "run.checkpoint"
    with pytest.raises(Killed):
        fit(Supervised(pupil(data)), data, budget, checkpoint=path, progress=kill)
    seen: list[tuple[str, int, int]] = []
    resumed = pupil(data)
    again = fit(
        Supervised(resumed),
        data,
        budget,
        stage="second",
        checkpoint=path,
        resume=True,
        progress=lambda stage, done, total, _: seen.append((stage, done, total)),
    )
    assert seen == [("second", done, 9) for done in (7, 8, 9)]
    assert again == history
    for (name, a), b in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_without_resume_a_checkpoint_is_written_over(data: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "run.checkpoint"
    budget = replace(BUDGET, epochs=1)
    first = fit(Supervised(pupil(data)), data, budget, checkpoint=path)
    assert fit(Supervised(pupil(data)), data, budget, checkpoint=path) == first


def test_a_checkpoint_of_another_recipe_is_refused(data: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "run.checkpoint"
    budget = replace(BUDGET, epochs=1)
    fit(Supervised(pupil(data)), data, budget, checkpoint=path, recipe={"epochs": 1})
    with pytest.raises(WeightsError, match="another recipe"):
        fit(
            Supervised(pupil(data)),
            data,
            replace(BUDGET, epochs=2),
            checkpoint=path,
            resume=True,
            recipe={"epochs": 2},
        )


def test_learning_rate_warms_up_and_falls_to_zero() -> None:
    assert schedule(0.0) < 0.05
    assert schedule(0.03) == pytest.approx(1.0, abs=0.01)
    assert schedule(0.5) == pytest.approx(0.5)
    assert schedule(1.0) == pytest.approx(0.0, abs=1e-9)


def test_torch_is_left_as_it_was(data: Dataset) -> None:
    threads, state = torch.get_num_threads(), torch.get_rng_state()

    def interrupted() -> None:
        with torch_threads(threads + 1):
            assert torch.get_num_threads() == threads + 1
            raise Killed

    with pytest.raises(Killed):
        interrupted()
    assert torch.get_num_threads() == threads
    fit(Supervised(pupil(data)), data, replace(BUDGET, epochs=1))
    assert torch.equal(torch.get_rng_state(), state)
