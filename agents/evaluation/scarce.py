"""What all comparisons with few labels share: a teacher, dropout alone, and a distilled student.

All three are of one size. The teacher is trained on the labelled units with everything that
arrived; dropout alone on the same units under modality dropout; the student on the same labels
and, without any, on many more paired records.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from agents.distiller.dataset import SHAPES, Dataset
from agents.distiller.distillation import AsymmetricDistillationTrainer
from agents.distiller.fitting import FitConfig, Supervised, build, fit
from agents.distiller.model import HybridCrossModalDistiller, ModelConfig
from agents.evaluation.config import EvaluationConfig
from schemas.decision import Tier
from schemas.modality import Modality

FEW = 0.3
"""Dropout of networks that see only few units."""
MANY = 0.1
BATCH = 50
"""While there are only few."""


def network(dropout: float) -> ModelConfig:
    """The size that is compared: no circuits, the encoders of the shipped weights."""
    return ModelConfig(SHAPES, width=1.0, dropout=dropout, top=Tier.CLASSICAL)


def fit_teacher(
    config: EvaluationConfig, labelled: Dataset, seed: int
) -> HybridCrossModalDistiller:
    """Trained with every modality that arrived, never fewer."""
    budget = FitConfig(seed, config.scarce_epochs, BATCH, full=1.0)
    teacher = build(network(FEW), seed, labelled)
    fit(Supervised(teacher), labelled, budget)
    return teacher


def fit_alone(config: EvaluationConfig, labelled: Dataset, seed: int) -> HybridCrossModalDistiller:
    """Trained on the labels under modality dropout."""
    model = build(network(FEW), seed, labelled)
    fit(Supervised(model), labelled, FitConfig(seed, config.scarce_epochs, BATCH))
    return model


def fit_distilled(
    config: EvaluationConfig,
    teachers: Sequence[HybridCrossModalDistiller],
    data: Dataset,
    seed: int,
) -> HybridCrossModalDistiller:
    """Distilled on labelled and unlabelled units from one teacher, or from the mean of several."""
    teacher = teachers[0] if len(teachers) == 1 else Committee(teachers)
    student = build(network(MANY), seed, data)
    budget = FitConfig(seed, config.distilling_epochs, full=0.3)
    AsymmetricDistillationTrainer(teacher, student, budget).train_with_missing_modalities(data)
    return student


class Committee(HybridCrossModalDistiller):
    """Several networks of one size that answer with the mean of their logits."""

    def __init__(self, members: Sequence[HybridCrossModalDistiller]) -> None:
        super().__init__(members[0].config)
        self.members = torch.nn.ModuleList(members)

    def encode(self, modality: Modality, features: Tensor) -> Tensor:
        """Encodings of all members, (B, members D)."""
        return torch.cat([m.encode(modality, features) for m in self._networks], dim=1)

    def fuse(self, h: Tensor, mask: Tensor, tier: Tier | None = None) -> Tensor:
        """The mean of the members' logits."""
        parts = torch.split(h, self.config.dim, dim=2)
        said = [m.fuse(x, mask, tier) for m, x in zip(self._networks, parts, strict=True)]
        return torch.stack(said).mean(0)

    def features(self, h: Tensor, mask: Tensor) -> Tensor:
        """The hidden layers of all members, side by side."""
        parts = torch.split(h, self.config.dim, dim=2)
        found = [m.features(x, mask) for m, x in zip(self._networks, parts, strict=True)]
        return torch.cat(found, dim=1)

    @property
    def _networks(self) -> list[HybridCrossModalDistiller]:
        return [m for m in self.members if isinstance(m, HybridCrossModalDistiller)]
