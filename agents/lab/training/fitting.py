"""The optimisation that every training shares: AdamW with a warm-up and a cosine.

Everything random in an epoch is a function of (seed, epoch), so that a checkpoint needs no
generator's state and a resumed run gives the same bytes as one that was never interrupted.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import cos, pi
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from agents.distiller.encoders import Standardise
from agents.distiller.heads import losses
from agents.distiller.model import HybridCrossModalDistiller, ModelConfig
from agents.lab.training.checkpoint import load_checkpoint, save_checkpoint
from agents.lab.training.dataset import Dataset
from agents.lab.training.dropout import draw_masks
from schemas.modality import Modality


@dataclass(frozen=True, slots=True)
class FitConfig:
    """A budget and how to spend it."""

    seed: int = 1
    """Of the initial weights, the order of the units and modality dropout."""
    epochs: int = 24
    batch: int = 100
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    full: float = 0.4
    """The fraction of units that modality dropout leaves complete."""


class Learner(nn.Module):
    """What learns of a network, with all that learns beside it."""

    @abstractmethod
    def loss(self, rows: Dataset, mask: Tensor, index: Tensor) -> Tensor:
        """What to make small.

        Args:
            rows: B units.
            mask: bool, (B, M): what the network is shown of them.
            index: int64, (B,): their numbers in the whole set.
        """


class Supervised(Learner):
    """Learns from labels alone."""

    def __init__(self, model: HybridCrossModalDistiller, *, top_only: bool = False) -> None:
        """`top_only`: only the highest tier learns, for a comparison of variants of it."""
        super().__init__()
        self.model, self.top_only = model, top_only

    def loss(self, rows: Dataset, mask: Tensor, index: Tensor) -> Tensor:
        """Mean over the tiers of the sum over the heads, in nats."""
        h = self.model.encode_all(rows.features)
        tiers = [self.model.fuse(h, mask)] if self.top_only else self.model.fuse_all(h, mask)
        every = [torch.stack(losses(logits, rows.targets)).sum() for logits in tiers]
        return torch.stack(every).mean()


Progress = Callable[[str, int, int, float], None]
"""Told of every step: the stage of the work, steps done, steps in all, the loss (NaN while there
is none)."""


def silent(stage: str, done: int, total: int, loss: float) -> None:
    """The `Progress` of nobody."""


def build(config: ModelConfig, seed: int, data: Dataset) -> HybridCrossModalDistiller:
    """A network with the initial weights of a seed, standardised for `data`."""
    with seeded(seed):
        model = HybridCrossModalDistiller(config)
    for number, modality in enumerate(model.modalities):
        standardise = model.encoders[modality].get_submodule("0")
        assert isinstance(standardise, Standardise)
        standardise.fit(data.features[modality][data.arrived[:, number]])
    return model


def fit(
    learner: Learner,
    data: Dataset,
    config: FitConfig,
    *,
    stage: str = "training",
    abundance: Mapping[Modality, float] | None = None,
    progress: Progress = silent,
    checkpoint: Path | None = None,
    resume: bool = False,
    recipe: Mapping[str, Any] | None = None,
) -> list[float]:
    """Train in place; the learner is left in eval mode.

    Args:
        learner: from `build`, so that its initial weights follow from a seed.
        data: every unit is seen once an epoch.
        config: the budget.
        stage: what to call the work in `progress`.
        abundance: see `draw_masks`.
        progress: told of every step.
        checkpoint: written after every epoch; None: never.
        resume: go on from `checkpoint` if it exists.
        recipe: what the result depends on, as JSON; a checkpoint of another one is refused.

    Returns:
        The mean loss of each epoch, in nats.

    Raises:
        WeightsError: the checkpoint is damaged or of another recipe.
    """
    optimizer = torch.optim.AdamW(
        learner.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
    )
    history: list[float] = []
    if checkpoint and resume and checkpoint.exists():
        history = load_checkpoint(checkpoint, learner, optimizer, dict(recipe or {}))
    steps = -(-len(data) // config.batch)
    learner.train()
    for epoch in range(len(history), config.epochs):

        def report(step: int, loss: float, before: int = epoch * steps) -> None:
            progress(stage, before + step, config.epochs * steps, loss)

        with seeded(config.seed * 1_000_003 + epoch + 1):
            masks = draw_masks(data.arrived, config.full, torch.default_generator, abundance)
            history.append(_epoch(epoch, learner, optimizer, config, data, masks, report))
        if checkpoint:
            save_checkpoint(checkpoint, learner, optimizer, dict(recipe or {}), history)
    learner.eval()
    return history


def _epoch(
    epoch: int,
    learner: Learner,
    optimizer: torch.optim.Optimizer,
    config: FitConfig,
    data: Dataset,
    masks: Tensor,
    report: Callable[[int, float], None],
) -> float:
    """Every unit once; returns the mean loss."""
    batches = torch.split(torch.randperm(len(data)), config.batch)
    total = 0.0
    for step, index in enumerate(batches):
        done = (epoch + step / len(batches)) / config.epochs
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * schedule(done)
        loss = learner.loss(data.rows(index), masks[index], index)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
        optimizer.step()
        total += loss.item() * len(index)
        report(step + 1, loss.item())
    return total / len(data)


def schedule(done: float) -> float:
    """The learning rate's factor when a fraction `done` of all steps is done."""
    warm_up = 0.03
    return min(1.0, (done + 1e-3) / warm_up) * (1 + cos(pi * done)) / 2


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """torch's global generator, seeded within and left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """torch with so many threads within, and as it was afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
