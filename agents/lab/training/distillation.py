"""Distillation: what a teacher knows, taught to a compact student that is shown less.

The teacher sees all that arrived of a unit, the student a random part of it. On every unit, with a
label or without, the student is asked to say what the teacher says (Hinton et al., "Distilling the
Knowledge in a Neural Network", 2015) and to come to think what the teacher thinks (feature
regression: Romero et al., "FitNets", 2015); where there is a label it learns that, too. Paired
records without labels are what a running pipeline collects for nothing, and what closes the gap
that missing modalities open.

First the encoders and the classical tier learn; then, on encodings that no longer change, the tiers
with circuits, from the same lessons.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from agents.distiller.heads import HEADS, losses, split
from agents.distiller.model import HybridCrossModalDistiller
from agents.lab.training.dataset import Dataset
from agents.lab.training.fitting import FitConfig, Learner, Progress, fit, seeded, silent
from agents.lab.training.metrics import encode
from schemas.decision import Tier
from schemas.modality import MODALITIES, Modality

EVEN = 0.01
"""Modalities whose abundance differs by less are equally rich."""


@dataclass(frozen=True, slots=True)
class DistillationConfig:
    """What counts how much."""

    softness: float = 2.0
    """Temperature at which teacher and student are compared."""
    labels: float = 1.0
    soft_targets: float = 1.0
    features: float = 0.5
    """Of the regression of the teacher's hidden layer, in units of its variance."""
    transfer: float = 0.5
    """Of the regression of richer modalities' encodings by poorer ones."""


@dataclass(frozen=True, slots=True)
class Lessons:
    """What a teacher says of N units; it is asked once."""

    logits: Tensor
    """(N, LOGITS)."""
    features: Tensor
    """(N, hidden): its hidden layer, standardised."""

    @classmethod
    @torch.no_grad()
    def ask(cls, teacher: HybridCrossModalDistiller, data: Dataset, batch: int = 250) -> "Lessons":
        """Show a teacher all that arrived of every unit; its highest tier answers."""
        logits, features = [], []
        for index in torch.split(torch.arange(len(data)), batch):
            rows = data.rows(index)
            h = teacher.encode_all(rows.features)
            logits.append(teacher.fuse(h, rows.arrived))
            features.append(teacher.features(h, rows.arrived))
        hidden = torch.cat(features)
        std, mean = torch.std_mean(hidden, dim=0)
        return cls(torch.cat(logits), (hidden - mean) / std.clamp(min=1e-3))


class Student(Learner):
    """Encoders and classical tier of a network; projections to the teacher's space beside it.

    Args:
        model: the student.
        teacher: frozen.
        lessons: what it says of the units.
        config: what counts how much.
        abundance: how often each modality arrives. For modalities r richer than p, the student's
            encoding of p learns, with a weight of the difference, to tell the teacher's encoding
            of r, so that knowledge flows from rich to poor and never back.
    """

    def __init__(
        self,
        model: HybridCrossModalDistiller,
        teacher: HybridCrossModalDistiller,
        lessons: Lessons,
        config: DistillationConfig,
        abundance: Mapping[Modality, float],
    ) -> None:
        super().__init__()
        self.model, self.config, self.lessons = model, config, lessons
        ours, theirs = model.config, teacher.config
        self.project = nn.Linear(ours.hidden, lessons.features.shape[1])
        self.downhill = {
            (r, p): abundance[rich] - abundance[poor]
            for r, rich in enumerate(MODALITIES)
            for p, poor in enumerate(MODALITIES)
            if abundance[rich] - abundance[poor] > EVEN
        }
        self.across = nn.ModuleDict(
            {f"{p}-{r}": nn.Linear(ours.dim, theirs.dim) for r, p in self.downhill}
        )
        self._teacher = [teacher]  # in a list: not a submodule, and never trained

    def loss(self, rows: Dataset, mask: Tensor, index: Tensor) -> Tensor:
        """Labels, soft targets and features, weighted; in nats."""
        model, config = self.model, self.config
        h = model.encode_all(rows.features)
        features = self.project(model.features(h, mask))
        total = config.features * F.mse_loss(features, self.lessons.features[index])
        total = total + config.transfer * self._transfer(h, rows)
        logits = model.fuse(h, mask, Tier.CLASSICAL)
        return total + _taught(logits, rows, self.lessons.logits[index], config)

    def _transfer(self, h: Tensor, rows: Dataset) -> Tensor:
        if not self.downhill:
            return torch.zeros(())
        with torch.no_grad():
            h_t = self._teacher[0].encode_all(rows.features)
        every = []
        for (r, p), weight in self.downhill.items():
            both = (rows.arrived[:, r] & rows.arrived[:, p]).unsqueeze(1)
            gap = torch.where(both, self.across[f"{p}-{r}"](h[:, p]) - h_t[:, r], 0.0)
            every.append(weight * gap.square().mean())
        return torch.stack(every).mean()


class Circuits(Learner):
    """The tiers with circuits of a network whose encoders have learnt."""

    def __init__(
        self,
        model: HybridCrossModalDistiller,
        data: Dataset,
        lessons: Lessons,
        config: DistillationConfig,
    ) -> None:
        super().__init__()
        # Only what is registered here learns: the model itself is not.
        self.parts = nn.ModuleList((model.trunks[1], model.circuits, model.gains))
        self._model = [model.eval()]
        self.lessons, self.config = lessons, config
        self.h = encode(model, data)

    def loss(self, rows: Dataset, mask: Tensor, index: Tensor) -> Tensor:
        """Labels and soft targets, the mean over the tiers; in nats."""
        tiers = self._model[0].fuse_all(self.h[index], mask)[1:]
        lessons = self.lessons.logits[index]
        return torch.stack([_taught(t, rows, lessons, self.config) for t in tiers]).mean()


class AsymmetricDistillationTrainer:
    """Teaches a student what a teacher knows, for a line where some modalities are rare.

    Args:
        teacher: trained on all that arrives; frozen.
        student: trained in place.
        fit_config: the budget of encoders and classical tier.
        circuits_config: that of the tiers with circuits, where the student has any; None: the same.
        config: what counts how much.
        abundance: how often each modality arrives, 0 to 1; None: as in the data. It sets the
            rates of modality dropout (`draw_masks`) and the direction of transfer (`Student`).
    """

    def __init__(
        self,
        teacher: HybridCrossModalDistiller,
        student: HybridCrossModalDistiller,
        fit_config: FitConfig | None = None,
        circuits_config: FitConfig | None = None,
        config: DistillationConfig | None = None,
        abundance: Mapping[Modality, float] | None = None,
    ) -> None:
        self.teacher, self.student = teacher, student
        self.fit_config = fit_config or FitConfig()
        self.circuits_config = circuits_config or self.fit_config
        self.config = config or DistillationConfig()
        self.abundance = abundance

    def train_with_missing_modalities(
        self,
        data: Dataset,
        *,
        progress: Progress = silent,
        checkpoint: Path | None = None,
        resume: bool = False,
        recipe: Mapping[str, Any] | None = None,
    ) -> dict[str, list[float]]:
        """Train the student on units of which some are labelled and some have modalities missing.

        Args:
            data: units simulated, or recorded on a line.
            progress, resume, recipe: as `fitting.fit`.
            checkpoint: the name that the checkpoints of both stages begin with; None: none.

        Returns:
            The mean loss of each epoch, by stage.

        Raises:
            WeightsError: the checkpoint is damaged or of another recipe.
        """
        abundance = self.abundance or abundance_of(data)
        lessons = Lessons.ask(self.teacher.eval(), data)
        # The projections' initial values are drawn from the seed as the student's were.
        with seeded(self.fit_config.seed):
            learner = Student(self.student, self.teacher, lessons, self.config, abundance)

        def learn(learner: Learner, budget: FitConfig, stage: str) -> list[float]:
            beside = checkpoint and checkpoint.with_name(f"{checkpoint.name}.{stage}")
            return fit(
                learner,
                data,
                budget,
                stage=stage,
                abundance=abundance,
                progress=progress,
                checkpoint=beside,
                resume=resume,
                recipe=recipe,
            )

        history = {"student": learn(learner, self.fit_config, "student")}
        if self.student.circuits:
            circuits = Circuits(self.student, data, lessons, self.config)
            history["circuits"] = learn(circuits, self.circuits_config, "circuits")
        self.student.eval()
        return history


def abundance_of(data: Dataset) -> dict[Modality, float]:
    """The fraction of units of which each modality arrived."""
    return dict(zip(MODALITIES, data.arrived.double().mean(0).tolist(), strict=True))


def soft_loss(logits: Tensor, teacher: Tensor, softness: float) -> Tensor:
    """The divergence of student from teacher at a temperature T, summed over heads, times T^2.

    Args:
        logits: of the student, (B, LOGITS).
        teacher: of the teacher, (B, LOGITS).
        softness: T.
    """
    total = logits.new_zeros(())
    for head, a, b in zip(HEADS, split(logits / softness), split(teacher / softness), strict=True):
        if head.exclusive:
            p, log_q = F.softmax(b, dim=-1), F.log_softmax(a, dim=-1)
            total = total + F.kl_div(log_q, p, reduction="batchmean")
        else:
            p = torch.sigmoid(b)
            # Minus the teacher's own entropy, so that agreement is 0 here, too.
            cross = F.binary_cross_entropy_with_logits(a, p)
            total = total + cross - F.binary_cross_entropy_with_logits(b, p)
    return softness**2 * total


def _taught(logits: Tensor, rows: Dataset, teacher: Tensor, config: DistillationConfig) -> Tensor:
    """What a student's logits lack of the teacher's, and of the labels where there are any."""
    total = config.soft_targets * soft_loss(logits, teacher, config.softness)
    seen = rows.labelled
    if bool(seen.any()):
        hard = torch.stack(losses(logits[seen], [t[seen] for t in rows.targets])).sum()
        # By the share of labelled rows, so that each counts the same in every batch.
        total = total + config.labels * seen.float().mean() * hard
    return total
