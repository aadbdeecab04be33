"""Distillation as a whole: that the student learns it, and what must not matter."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support.networks import EVEN, UNEVEN, only, student, toy, with_holes
from torch import Tensor

from agents.distiller.model import HybridCrossModalDistiller
from agents.lab.training.dataset import Dataset
from agents.lab.training.distillation import (
    AsymmetricDistillationTrainer,
    Lessons,
    soft_loss,
)
from agents.lab.training.fitting import FitConfig
from agents.lab.training.metrics import encode, fuse
from schemas.decision import Tier
from schemas.modality import Modality

BUDGET = FitConfig(epochs=2, batch=20, learning_rate=1e-2, full=0.5)


def distilled(
    teacher: HybridCrossModalDistiller,
    data: Dataset,
    budget: FitConfig = BUDGET,
    abundance: Mapping[Modality, float] | None = None,
    top: Tier = Tier.SMALL,
) -> dict[str, Tensor]:
    pupil = student(data, top=top)
    trainer = AsymmetricDistillationTrainer(teacher, pupil, budget, abundance=abundance)
    trainer.train_with_missing_modalities(data)
    return pupil.state_dict()


def same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    assert list(one) == list(other)
    return all(torch.equal(a, other[name]) for name, a in one.items())


# -- that it is learnt -----------------------------------------------------------------------


@pytest.mark.parametrize("holes", [False, True])
def test_without_a_single_label_the_student_comes_closer(
    teacher: HybridCrossModalDistiller, holes: bool
) -> None:
    """On units that neither has seen, in every tier, whether all arrived or some."""
    data = toy(200).unlabelled()
    data = with_holes(data) if holes else data
    pupil, held_out = student(data), toy(100, seed=9)
    lessons = Lessons.ask(teacher, held_out)

    def distances() -> list[float]:
        h = encode(pupil, held_out)
        return [
            soft_loss(fuse(pupil, h, mask, tier), lessons.logits, 2.0).item()
            for tier in Tier
            for mask in (held_out.arrived, only(100, 0, 1, 2))
        ]

    before, frozen = distances(), deepcopy(teacher.state_dict())
    budget = replace(BUDGET, epochs=6)
    trainer = AsymmetricDistillationTrainer(teacher, pupil, budget)
    history = trainer.train_with_missing_modalities(data)
    assert all(now < 0.8 * then for now, then in zip(distances(), before, strict=True))
    assert {stage: len(losses) for stage, losses in history.items()} == {
        "student": 6,
        "circuits": 6,
    }
    assert all(losses[-1] < losses[0] for losses in history.values())
    assert same(teacher.state_dict(), frozen)
    assert not pupil.training


def test_circuits_learn_on_encodings_that_stay(teacher: HybridCrossModalDistiller) -> None:
    """The second stage leaves encoders and classical tier as the first one made them."""
    data = toy(60)
    first = distilled(teacher, data, top=Tier.CLASSICAL)
    both = distilled(teacher, data, top=Tier.LARGE)
    start = student(data, top=Tier.LARGE).state_dict()
    own = {name for name in both if name.startswith(("circuits.", "gains.", "trunks.1."))}
    for name in set(both) - own - {"temperature"}:
        assert torch.equal(both[name], first[name]), name
    assert not torch.equal(both["trunks.0.out.weight"], start["trunks.0.out.weight"])
    assert not any(torch.equal(both[name], start[name]) for name in own)


# -- what must not matter --------------------------------------------------------------------


def test_targets_of_units_without_labels_do_not_matter(
    teacher: HybridCrossModalDistiller,
) -> None:
    data = toy(60)
    data.labelled[20:] = False
    other = tuple(
        torch.where(data.labelled.view(-1, *[1] * (t.ndim - 1)), t, 1 - t.clamp(max=1))
        for t in data.targets
    )
    assert not all(torch.equal(a, b) for a, b in zip(other, data.targets, strict=True))
    assert same(distilled(teacher, data), distilled(teacher, replace(data, targets=other)))
    assert not same(distilled(teacher, data), distilled(teacher, data.unlabelled()))


def test_what_stands_where_nothing_arrived_does_not_matter(
    teacher: HybridCrossModalDistiller,
) -> None:
    zeros, garbage = with_holes(toy(60)), with_holes(toy(60), instead=1e6)
    assert same(
        distilled(teacher, zeros, abundance=UNEVEN), distilled(teacher, garbage, abundance=UNEVEN)
    )


def test_how_often_modalities_arrive_does_matter(teacher: HybridCrossModalDistiller) -> None:
    data = toy(60)
    assert not same(
        distilled(teacher, data, abundance=UNEVEN), distilled(teacher, data, abundance=EVEN)
    )


def test_it_is_deterministic(teacher: HybridCrossModalDistiller) -> None:
    data = with_holes(toy(60))
    state = torch.get_rng_state()
    first = distilled(teacher, data, abundance=UNEVEN)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(3)  # the global generator's state must not matter
    assert same(distilled(teacher, data, abundance=UNEVEN), first)
    other = replace(BUDGET, seed=2)
    assert not same(distilled(teacher, data, other, abundance=UNEVEN), first)


class Killed(Exception):
    """What the test does to the training."""


@pytest.mark.parametrize("stage", ["student", "circuits"])
def test_resumed_equals_uninterrupted(
    teacher: HybridCrossModalDistiller, tmp_path: Path, stage: str
) -> None:
    data = with_holes(toy(60))
    data.labelled[30:] = False

    def trainer(pupil: HybridCrossModalDistiller) -> AsymmetricDistillationTrainer:
        return AsymmetricDistillationTrainer(teacher, pupil, BUDGET, abundance=UNEVEN)

    whole = student(data)
    history = trainer(whole).train_with_missing_modalities(data)

    def kill(where: str, done: int, total: int, loss: float) -> None:
        if where == stage and done == total - 1:  # in the last epoch, after a checkpoint
            raise Killed

    path = tmp_path / "run"
    with pytest.raises(Killed):
        trainer(student(data)).train_with_missing_modalities(data, checkpoint=path, progress=kill)
    seen: list[str] = []
    resumed = student(data)
    again = trainer(resumed).train_with_missing_modalities(
        data, checkpoint=path, resume=True, progress=lambda where, *_: seen.append(where)
    )
    assert again == history
    assert same(resumed.state_dict(), whole.state_dict())
    assert seen.count("student") == (3 if stage == "student" else 0), "only the last epoch again"
    assert seen.count("circuits") == (6 if stage == "student" else 3)
