"""How the weights come about: `regrade train` calls `train`.

Simulated units by seed, modality dropout, AdamW with a warm-up and a cosine, the sum of the heads'
losses. Everything random in an epoch is a function of (seed, epoch), so that a checkpoint needs no
generator's state and a resumed run gives the same bytes as one that was never interrupted.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from math import cos, nan, pi
from pathlib import Path
from typing import Any, Protocol

import torch

from agents.distiller import card
from agents.distiller.attention import Variant
from agents.distiller.calibration import fit_temperature
from agents.distiller.checkpoint import check_recipe, load_checkpoint, save_checkpoint
from agents.distiller.dataset import SHAPES, Dataset, Part, draw_masks, simulate
from agents.distiller.encoders import Standardise
from agents.distiller.files import WEIGHTS, save_model
from agents.distiller.heads import losses
from agents.distiller.metrics import encode, fuse
from agents.distiller.model import HybridCrossModalDistiller, ModelConfig


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """What determines the weights, and below it where and how to work."""

    seed: int = 1
    """Of the initial weights, the order of the units and modality dropout."""
    data_seed: int = 20_261_122
    """Of the simulator; far from the small seeds that demos and tests use. Dropout, epochs and the
    number of units were chosen on another population (20260101), so the test units are fresh."""
    train_units: int = 12_000
    validation_units: int = 1_000
    """Held out for the temperatures."""
    test_units: int = 2_000
    """Held out for the figures of the model card."""
    epochs: int = 24
    batch: int = 100
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    full: float = 0.4
    """The fraction of units that modality dropout leaves complete."""
    dim: int = 32
    hidden: int = 128
    variant: Variant = "hybrid"

    weights: Path = WEIGHTS
    """Written at the end; the model card lies beside it, with the suffix .json."""
    checkpoint: Path | None = None
    """Written after every epoch; None: no checkpoints."""
    resume: bool = False
    """Go on from `checkpoint` if it exists."""
    workers: int = 2
    """Processes that simulate."""
    threads: int = 1
    """Of torch. The bytes of the weights are reproducible for one number of threads."""

    def __post_init__(self) -> None:
        counts = (self.epochs, self.batch, self.workers, self.threads)
        if min(counts) < 1 or not 0 <= self.full <= 1 or self.learning_rate <= 0:
            raise ValueError(
                "epochs, batch, workers and threads must be at least 1, "
                "full within 0 to 1 and learning_rate positive"
            )

    def recipe(self) -> dict[str, Any]:
        """What the weights depend on, as JSON."""
        here_only = {"weights", "checkpoint", "resume", "workers", "threads"}
        return {name: value for name, value in asdict(self).items() if name not in here_only}


class Progress(Protocol):
    """Told how far the work is, after every step.

    While units are being simulated `epoch` is 0, the steps are units and the loss is NaN;
    then epochs count from 1.
    """

    def __call__(self, epoch: int, epochs: int, step: int, steps: int, loss: float) -> None: ...


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What a training left behind."""

    weights: Path
    card: Path
    sha256: str
    """Of the weights file."""
    metrics: dict[str, Any]
    """On the test units, as in the model card."""
    losses: list[float]
    """Mean training loss of each epoch, in nats, summed over heads."""
    seconds: float


def silent(epoch: int, epochs: int, step: int, steps: int, loss: float) -> None:
    """The `Progress` of nobody."""


def train(config: TrainConfig, progress: Progress = silent) -> TrainResult:
    """Simulate, fit, calibrate, measure, write.

    Raises:
        WeightsError: the checkpoint to resume is damaged or of another configuration.
        ValueError: a number of units is not in 1 .. 1,000,000.
    """
    started = time.monotonic()
    if config.checkpoint and config.resume and config.checkpoint.exists():
        # Rather before the simulation than after it.
        check_recipe(config.checkpoint, config.recipe())
    sizes: dict[Part, int] = {
        "train": config.train_units, "validation": config.validation_units,
        "test": config.test_units,
    }  # fmt: skip
    data: dict[Part, Dataset] = {}
    for part, units in sizes.items():

        def simulated(done: int, before: int = sum(map(len, data.values()))) -> None:
            progress(0, config.epochs, before + done, sum(sizes.values()), nan)

        data[part] = simulate(
            config.data_seed, part, units, workers=config.workers, progress=simulated
        )
    with torch_threads(config.threads):
        model, history = fit(config, data["train"], progress)
        calibrate(model, config, data["validation"])
        metrics = card.measure(model, data["test"])
    sha256 = save_model(config.weights, model)
    seconds = time.monotonic() - started
    path = config.weights.with_suffix(".json")
    card.write(path, model, config.recipe(), metrics, sha256, history, config.threads, seconds)
    return TrainResult(config.weights, path, sha256, metrics, history, seconds)


def fit(
    config: TrainConfig, data: Dataset, progress: Progress = silent
) -> tuple[HybridCrossModalDistiller, list[float]]:
    """Train on `data`; returns the model in eval mode, not calibrated, and each epoch's loss."""
    with _seeded(config.seed):
        model = HybridCrossModalDistiller(
            ModelConfig(SHAPES, config.dim, hidden=config.hidden, variant=config.variant)
        )
    for modality in model.modalities:
        standardise = model.encoders[modality].get_submodule("0")
        assert isinstance(standardise, Standardise)
        standardise.fit(data.features[modality])
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
    )
    history: list[float] = []
    if config.checkpoint and config.resume and config.checkpoint.exists():
        history = load_checkpoint(config.checkpoint, model, optimizer, config.recipe())

    model.train()
    for epoch in range(len(history), config.epochs):
        with _seeded(config.seed * 1_000_003 + epoch + 1):
            history.append(_epoch(epoch, model, optimizer, config, data, progress))
        if config.checkpoint:
            save_checkpoint(config.checkpoint, model, optimizer, config.recipe(), history)
    return model.eval(), history


def _epoch(
    epoch: int,
    model: HybridCrossModalDistiller,
    optimizer: torch.optim.Optimizer,
    config: TrainConfig,
    data: Dataset,
    progress: Progress,
) -> float:
    """Every unit once; returns the mean loss."""
    batches = torch.split(torch.randperm(len(data)), config.batch)
    masks = draw_masks(len(data), config.full, torch.default_generator)
    total = 0.0
    for step, index in enumerate(batches):
        done = (epoch + step / len(batches)) / config.epochs
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * schedule(done)
        rows = data.rows(index)
        logits, _ = model(rows.features, masks[index])
        loss = torch.stack(losses(logits, rows.targets)).sum()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        total += loss.item() * len(index)
        progress(epoch + 1, config.epochs, step + 1, len(batches), loss.item())
    return total / len(data)


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """torch with so many threads within, and as it was afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """torch's global generator, seeded within and left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def schedule(done: float) -> float:
    """The learning rate's factor when a fraction `done` of all steps is done."""
    warm_up = 0.03
    return min(1.0, (done + 1e-3) / warm_up) * (1 + cos(pi * done)) / 2


def calibrate(model: HybridCrossModalDistiller, config: TrainConfig, data: Dataset) -> None:
    """Fit the temperatures on units held out: complete ones and ones with modalities missing."""
    h = encode(model, data)
    generator = torch.Generator().manual_seed(config.seed)
    logits = fuse(model, h, draw_masks(len(data), config.full, generator))
    model.temperature.copy_(fit_temperature(logits, data.targets))
