"""What all comparisons with few labels share: a teacher, dropout alone, and a distilled student.

All three are of one size. The teacher is trained on the labelled units with everything that
arrived; dropout alone on the same units under modality dropout; the student on the same labels
and, without any, on many more paired records; then another on that student's answers.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from statistics import mean

import torch
from torch import Tensor

from agents.distiller.model import HybridCrossModalDistiller, ModelConfig
from agents.lab.evaluation.config import EvaluationConfig
from agents.lab.training.dataset import SHAPES, Dataset
from agents.lab.training.distillation import AsymmetricDistillationTrainer
from agents.lab.training.fitting import FitConfig, Supervised, build, fit
from agents.lab.training.metrics import ALL, Shown, accuracies
from schemas.decision import Tier
from schemas.modality import MODALITIES, Modality

DROPOUT = 0.35
"""Of all of them: few units are soon known by heart."""
BATCH = 50
"""While there are only few units."""
FULL = (0.4, 0.8)
"""What modality dropout alone may leave complete; the best on validation units counts."""


ONE_MISSING: list[Shown] = list(combinations(MODALITIES, len(MODALITIES) - 1))
HALF_MISSING: list[Shown] = list(combinations(MODALITIES, len(MODALITIES) // 2))
INCOMPLETE = ONE_MISSING + HALF_MISSING

NETWORK = ModelConfig(SHAPES, dropout=DROPOUT, top=Tier.CLASSICAL)
"""The size that is compared; no circuits."""


def fit_teacher(
    config: EvaluationConfig, labelled: Dataset, seed: int
) -> HybridCrossModalDistiller:
    """Trained with every modality that arrived, never fewer."""
    budget = FitConfig(seed, config.scarce_epochs, BATCH, full=1.0)
    teacher = build(NETWORK, seed, labelled)
    fit(Supervised(teacher), labelled, budget)
    return teacher


def fit_alone(
    config: EvaluationConfig, labelled: Dataset, validation: Dataset, seed: int
) -> HybridCrossModalDistiller:
    """Trained on the labels under modality dropout; how much of it, is chosen on `validation`."""
    found = []
    for full in FULL:
        model = build(NETWORK, seed, labelled)
        fit(Supervised(model), labelled, FitConfig(seed, config.scarce_epochs, BATCH, full=full))
        right = accuracies(model, validation, [ALL, *INCOMPLETE])
        found.append((mean(scores["routing"] for scores in right.values()), full, model))
    return max(found, key=lambda one: one[:2])[2]


def fit_labelled(config: EvaluationConfig, data: Dataset, seed: int) -> HybridCrossModalDistiller:
    """Trained under modality dropout on many units that all have labels: what is to be had."""
    model = build(NETWORK, seed, data)
    fit(Supervised(model), data, FitConfig(seed, config.distilling_epochs))
    return model


def fit_distilled(
    config: EvaluationConfig,
    teachers: Sequence[HybridCrossModalDistiller],
    data: Dataset,
    seed: int,
) -> HybridCrossModalDistiller:
    """Distilled on labelled and unlabelled units from one teacher, or from the mean of several."""
    teacher = teachers[0] if len(teachers) == 1 else Committee(teachers)
    student = build(NETWORK, seed, data)
    budget = FitConfig(seed, config.distilling_epochs, full=0.0)
    if bool(data.labelled.all()):  # few, then; as many steps as without a teacher
        budget = FitConfig(seed, config.scarce_epochs, BATCH, full=0.0)
    AsymmetricDistillationTrainer(teacher, student, budget).train_with_missing_modalities(data)
    return student


def fit_generations(
    config: EvaluationConfig,
    teachers: Sequence[HybridCrossModalDistiller],
    data: Dataset,
    seed: int,
) -> list[HybridCrossModalDistiller]:
    """`fit_distilled`, and each student the teacher of the next, which starts afresh.

    A student that learns from a teacher's answers on many units, under dropout, errs less than the
    teacher did, and so has better answers to give. Sources: Furlanello et al., "Born-Again Neural
    Networks", 2018; Xie et al., "Self-training with Noisy Student", 2020.
    """
    students: list[HybridCrossModalDistiller] = []
    for _ in range(config.generations):
        students.append(fit_distilled(config, teachers, data, seed))
        teachers = students[-1:]
    return students


class Committee(HybridCrossModalDistiller):
    """Several networks of one size that answer with the mean of their logits."""

    def __init__(self, members: Sequence[HybridCrossModalDistiller]) -> None:
        one = members[0].config
        super().__init__(one)
        # Of its own encodings: those of all members, side by side.
        self.config = replace(one, dim=len(members) * one.dim)
        self.members = torch.nn.ModuleList(members)

    def encode(self, modality: Modality, features: Tensor) -> Tensor:
        """Encodings of all members, (B, members D)."""
        return torch.cat([m.encode(modality, features) for m in self._networks], dim=1)

    def fuse(self, h: Tensor, mask: Tensor, tier: Tier | None = None) -> Tensor:
        """The mean of the members' logits."""
        parts = torch.chunk(h, len(self.members), dim=2)
        said = [m.fuse(x, mask, tier) for m, x in zip(self._networks, parts, strict=True)]
        return torch.stack(said).mean(0)

    def features(self, h: Tensor, mask: Tensor) -> Tensor:
        """The hidden layers of all members, side by side."""
        parts = torch.chunk(h, len(self.members), dim=2)
        found = [m.features(x, mask) for m, x in zip(self._networks, parts, strict=True)]
        return torch.cat(found, dim=1)

    @property
    def _networks(self) -> list[HybridCrossModalDistiller]:
        return [m for m in self.members if isinstance(m, HybridCrossModalDistiller)]
