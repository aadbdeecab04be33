"""Distillation: what the student is asked, by hand."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.networks import EVEN, UNEVEN, masks, numbers, student, toy, with_holes
from torch import Tensor
from torch.nn import functional as F

from agents.distiller.heads import HEADS, LOGITS, losses, split
from agents.distiller.model import HybridCrossModalDistiller
from agents.lab.training.dataset import Dataset
from agents.lab.training.distillation import (
    Circuits,
    DistillationConfig,
    Lessons,
    Student,
    abundance_of,
    soft_loss,
)
from agents.lab.training.metrics import encode, fuse
from schemas.decision import Tier
from schemas.modality import MODALITIES, Modality

NOTHING = DistillationConfig(labels=0, soft_targets=0, features=0, transfer=0)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.5, 8))
def test_the_soft_loss_is_zero_for_agreement_and_positive_otherwise(
    seed: int, softness: float
) -> None:
    said, other = numbers(3, LOGITS, seed=seed), numbers(3, LOGITS, seed=seed + 1)
    assert soft_loss(said, said, softness).item() == pytest.approx(0, abs=1e-12)
    assert soft_loss(other, said, softness).item() > 1e-3
    shifted = torch.cat([x + (h.exclusive * 3) for h, x in zip(HEADS, split(said), strict=True)], 1)
    assert soft_loss(shifted, said, softness).item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("softness", [1.0, 2.0, 5.0])
def test_the_soft_loss_by_hand(softness: float) -> None:
    said, teacher = numbers(4, LOGITS), numbers(4, LOGITS, seed=1)
    total = 0.0
    for head, a, b in zip(HEADS, split(said / softness), split(teacher / softness), strict=True):
        if head.exclusive:
            p, q = torch.softmax(b, 1), torch.softmax(a, 1)
            total += float((p * (p / q).log()).sum(1).mean())
        else:
            p, q = torch.sigmoid(b), torch.sigmoid(a)
            total += float((p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).mean())
    assert soft_loss(said, teacher, softness).item() == pytest.approx(softness**2 * total)


def test_lessons_are_of_all_that_arrived(teacher: HybridCrossModalDistiller) -> None:
    data = with_holes(toy(30))
    lessons = Lessons.ask(teacher, data, batch=7)
    logits = fuse(teacher, encode(teacher, data), data.arrived)
    torch.testing.assert_close(lessons.logits, logits)
    assert lessons.features.shape == (30, 24)
    torch.testing.assert_close(lessons.features.mean(0), torch.zeros(24), rtol=0, atol=1e-5)
    spread = lessons.features.std(0)
    torch.testing.assert_close(spread[spread > 0.5], torch.ones(int((spread > 0.5).sum())))


def the_student(
    teacher: HybridCrossModalDistiller,
    data: Dataset,
    what: DistillationConfig,
    abundance: Mapping[Modality, float] = EVEN,
) -> Student:
    return Student(student(data), teacher, Lessons.ask(teacher, data), what, abundance)


def loss(learner: Student | Circuits, data: Dataset, mask: Tensor | None = None) -> Tensor:
    """Of all units, shown in another order than the teacher saw them."""
    mask = data.arrived if mask is None else mask
    index = torch.arange(len(data)).flip(0)
    return learner.loss(data.rows(index), mask[index], index)


def test_labels_count_by_their_share(teacher: HybridCrossModalDistiller) -> None:
    data = toy(12)
    data.labelled[3:] = False
    learner = the_student(teacher, data, replace(NOTHING, labels=2.0))
    seen = data.rows(data.labelled)
    logits = learner.model.fuse(
        learner.model.encode_all(seen.features), seen.arrived, Tier("classical")
    )
    expected = 2.0 * 0.25 * torch.stack(losses(logits, seen.targets)).sum()
    torch.testing.assert_close(loss(learner, data), expected)
    assert loss(learner, data.unlabelled()).item() == 0


def test_soft_targets_and_features_by_hand(teacher: HybridCrossModalDistiller) -> None:
    data, mask = toy(12), masks(12)
    lessons = Lessons.ask(teacher, data)
    learner = the_student(teacher, data, replace(NOTHING, soft_targets=3.0, softness=4.0))
    h = learner.model.encode_all(data.features)
    logits = learner.model.fuse(h, mask, Tier.CLASSICAL)
    torch.testing.assert_close(loss(learner, data, mask), 3 * soft_loss(logits, lessons.logits, 4))

    learner = the_student(teacher, data, replace(NOTHING, features=0.7))
    h = learner.model.encode_all(data.features)
    said = learner.project(learner.model.features(h, mask))
    torch.testing.assert_close(loss(learner, data, mask), 0.7 * F.mse_loss(said, lessons.features))


def test_circuits_learn_the_mean_of_their_tiers(teacher: HybridCrossModalDistiller) -> None:
    data, mask = toy(12), masks(12)
    pupil, lessons = student(data), Lessons.ask(teacher, data)
    learner = Circuits(pupil, data, lessons, replace(NOTHING, soft_targets=1.0))
    tiers = pupil.fuse_all(encode(pupil, data), mask)[1:]
    expected = torch.stack([soft_loss(logits, lessons.logits, 2) for logits in tiers]).mean()
    torch.testing.assert_close(loss(learner, data, mask), expected)


# -- from rich to poor -----------------------------------------------------------------------


def test_knowledge_flows_downhill_only(teacher: HybridCrossModalDistiller) -> None:
    learner = the_student(teacher, toy(5), NOTHING, UNEVEN)
    for r, rich in enumerate(MODALITIES):
        for p, poor in enumerate(MODALITIES):
            drop = UNEVEN[rich] - UNEVEN[poor]
            assert ((r, p) in learner.downhill) is (drop > 0), (rich, poor)
            assert (f"{p}-{r}" in learner.across) is (drop > 0)
            if drop > 0:
                assert learner.downhill[r, p] == pytest.approx(drop)
    even = the_student(teacher, toy(5), replace(NOTHING, transfer=1.0), EVEN)
    assert even.downhill == {}
    assert loss(even, toy(5)).item() == 0


def test_transfer_teaches_the_poor_and_leaves_the_richest(
    teacher: HybridCrossModalDistiller,
) -> None:
    data = toy(20)
    learner = the_student(teacher, data, replace(NOTHING, transfer=1.0), UNEVEN)
    torch.autograd.backward(loss(learner, data))
    moved = {
        m: any(p.grad is not None and bool(p.grad.any()) for p in encoder.parameters())
        for m, encoder in learner.model.encoders.items()
    }
    assert moved == {m: m is not MODALITIES[0] for m in MODALITIES}
    assert all(p.grad is None for p in teacher.parameters())


def test_transfer_by_hand(teacher: HybridCrossModalDistiller) -> None:
    """Two sorts: text arrives always, the others half as often; one unit lacks the text."""
    abundance = dict.fromkeys(MODALITIES, 0.5) | {Modality.TEXT: 1.0}
    data = toy(4)
    data.arrived[0, 2] = False
    data.arrived[1, 4] = False
    learner = the_student(teacher, data, replace(NOTHING, transfer=2.0), abundance)
    h, h_t = learner.model.encode_all(data.features), teacher.encode_all(data.features)
    every = []
    for p in (0, 1, 3, 4, 5):
        gap = learner.across[f"{p}-2"](h[:, p]) - h_t[:, 2]
        both = [row for row in range(4) if row != 0 and not (p == 4 and row == 1)]
        every.append(0.5 * gap[both].square().sum() / gap.numel())
    torch.testing.assert_close(loss(learner, data), 2 * torch.stack(every).mean())


def test_abundance_is_counted() -> None:
    data = toy(4)
    data.arrived[:3, 0] = False
    data.arrived[0, 5] = False
    assert list(abundance_of(data).values()) == [0.25, 1, 1, 1, 1, 0.75]
