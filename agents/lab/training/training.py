"""How the weights come about: `regrade train` calls `train`.

Simulated units by seed; some are labelled, more are only paired records, as in a plant. A wide
teacher learns from the labels with all modalities; a compact student with four tiers learns from
labels and teacher under modality dropout; temperatures are fitted on units held out.
"""

import time
from dataclasses import asdict, dataclass, replace
from math import nan
from pathlib import Path
from typing import Any

from agents.distiller.attention import Variant
from agents.distiller.files import save_model
from agents.distiller.model import HybridCrossModalDistiller, ModelConfig
from agents.lab.training import card
from agents.lab.training.calibration import calibrate
from agents.lab.training.checkpoint import check_recipe
from agents.lab.training.dataset import SHAPES, Dataset, Part, simulate
from agents.lab.training.distillation import AsymmetricDistillationTrainer
from agents.lab.training.fitting import (
    FitConfig,
    Progress,
    Supervised,
    build,
    fit,
    silent,
    torch_threads,
)
from schemas.decision import Tier

STAGES = ("teacher", "student", "circuits")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """What determines the weights, and below it where and how to work."""

    seed: int = 1
    """Of the initial weights, the order of the units and modality dropout."""
    data_seed: int = 20_261_122
    """Of the simulator; far from the small seeds that demos and tests use."""
    train_units: int = 12_000
    """Labelled."""
    unlabelled_units: int = 24_000
    """Paired records without labels."""
    validation_units: int = 3_000
    """Held out for the temperatures."""
    test_units: int = 4_000
    """Held out for the figures of the model card."""
    teacher_epochs: int = 14
    epochs: int = 12
    """Of the student's encoders and its classical tier."""
    circuit_epochs: int = 5
    """Of its tiers with circuits."""
    generations: int = 1
    """Of students, the last of which ships. Those before it are as wide as the teacher, and each
    takes the teacher's place: worth its time where few units have labels (README, evaluation)."""
    batch: int = 100
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    full: float = 0.5
    """The fraction of units that modality dropout leaves to the student complete."""
    dim: int = 32
    hidden: int = 128
    width: float = 0.7
    """Of the student's encoders."""
    dropout: float = 0.1
    """Of the student; soft targets leave it little to overfit."""
    teacher_hidden: int = 256
    teacher_width: float = 2.0
    layers: int = 2
    """Of every circuit."""
    variant: Variant = "hybrid"

    weights: Path
    """Written at the end; the model card lies beside it, with the suffix .json."""
    checkpoint: Path | None = None
    """What the names of the stages' checkpoints begin with; written after every epoch. None: no
    checkpoints."""
    resume: bool = False
    """Go on from the checkpoints that exist."""
    recorded: str | None = None
    """Names the recorded units that take the place of simulated unlabelled ones; None: none do."""
    workers: int = 2
    """Processes that simulate."""
    threads: int = 1
    """Of torch. The bytes of the weights are reproducible for one number of threads."""

    def __post_init__(self) -> None:
        counts = (
            self.epochs,
            self.teacher_epochs,
            self.circuit_epochs,
            self.generations,
            self.batch,
            self.workers,
            self.threads,
        )
        if min(counts) < 1 or not 0 <= self.full <= 1 or self.learning_rate <= 0:
            raise ValueError(
                "epochs (of teacher, student and circuits), generations, batch, workers and "
                "threads must be at least 1, full within 0 to 1 and learning_rate positive"
            )

    def recipe(self) -> dict[str, Any]:
        """What the weights depend on, as JSON."""
        here_only = {"weights", "checkpoint", "resume", "workers", "threads"}
        if self.recorded is None:
            here_only.add("recorded")
        return {name: value for name, value in asdict(self).items() if name not in here_only}

    @property
    def teacher(self) -> tuple[ModelConfig, FitConfig]:
        """The teacher and its budget: it is wide, has no circuits, and always sees everything."""
        model = ModelConfig(
            SHAPES,
            self.dim,
            width=self.teacher_width,
            hidden=self.teacher_hidden,
            layers=self.layers,
            top=Tier.CLASSICAL,
        )
        return model, self._fit(self.teacher_epochs, full=1.0)

    @property
    def heir(self) -> tuple[ModelConfig, FitConfig]:
        """A student that takes the teacher's place, and its budget."""
        model, _ = self.teacher
        return replace(model, dropout=self.dropout), self._fit(self.epochs, self.full)

    @property
    def student(self) -> tuple[ModelConfig, FitConfig, FitConfig]:
        """The student, which is what ships; its budget and that of its circuits."""
        model = ModelConfig(
            SHAPES,
            self.dim,
            width=self.width,
            hidden=self.hidden,
            dropout=self.dropout,
            layers=self.layers,
            variant=self.variant,
        )
        return model, self._fit(self.epochs, self.full), self._fit(self.circuit_epochs, self.full)

    def _fit(self, epochs: int, full: float) -> FitConfig:
        return FitConfig(self.seed, epochs, self.batch, self.learning_rate, self.weight_decay, full)


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What a training left behind."""

    weights: Path
    card: Path
    sha256: str
    """Of the weights file."""
    metrics: dict[str, Any]
    """On the test units, as in the model card."""
    losses: dict[str, list[float]]
    """Mean training loss of each epoch, in nats, by stage."""
    seconds: float


def train(
    config: TrainConfig, progress: Progress = silent, recorded: Dataset | None = None
) -> TrainResult:
    """Simulate, fit, calibrate, measure, write.

    Args:
        recorded: the units that `config.recorded` names.

    Raises:
        WeightsError: the checkpoint to resume is damaged or of another configuration.
        ValueError: a number of units is not in 1 .. 1,000,000.
    """
    started = time.monotonic()
    if config.checkpoint and config.resume:
        # Rather before the simulation than after it.
        heirs = [f"{_heir(number)}.student" for number in range(1, config.generations)]
        for stage in (*STAGES, *heirs):
            if (path := _beside(config.checkpoint, stage)).exists():
                check_recipe(path, config.recipe())
    data = _data(config, progress, recorded)
    with torch_threads(config.threads):
        teacher, lessons = fit_teacher(config, data["train"], progress)
        student, history = fit_student(config, teacher, data["train"], progress)
        calibrate(student, data["validation"])
        metrics = card.measure(student, teacher, data["test"])
    sha256 = save_model(config.weights, student)
    seconds = time.monotonic() - started
    path = config.weights.with_suffix(".json")
    losses = {"teacher": lessons, **history}
    card.write(path, student, config.recipe(), metrics, sha256, losses, config.threads, seconds)
    return TrainResult(config.weights, path, sha256, metrics, losses, seconds)


def fit_teacher(
    config: TrainConfig, data: Dataset, progress: Progress = silent
) -> tuple[HybridCrossModalDistiller, list[float]]:
    """The teacher, trained on the labelled units of `data`; and each epoch's loss."""
    model, budget = config.teacher
    labelled = data.rows(data.labelled)
    teacher = build(model, config.seed, labelled)
    history = fit(
        Supervised(teacher),
        labelled,
        budget,
        stage="teacher",
        progress=progress,
        checkpoint=config.checkpoint and _beside(config.checkpoint, "teacher"),
        resume=config.resume,
        recipe=config.recipe(),
    )
    return teacher.requires_grad_(False), history


def fit_student(
    config: TrainConfig,
    teacher: HybridCrossModalDistiller,
    data: Dataset,
    progress: Progress = silent,
) -> tuple[HybridCrossModalDistiller, dict[str, list[float]]]:
    """The student, distilled on all units of `data`, not calibrated; and each epoch's loss.

    Losses are by stage; that of generations before the last is `generation-1` and so on.
    """
    history: dict[str, list[float]] = {}
    for number in range(1, config.generations):
        teacher, history[_heir(number)] = _fit_heir(config, teacher, data, number, progress)
    model, budget, of_circuits = config.student
    student = build(model, config.seed, data)
    trainer = AsymmetricDistillationTrainer(teacher, student, budget, of_circuits)
    learnt = trainer.train_with_missing_modalities(
        data,
        progress=progress,
        checkpoint=config.checkpoint,
        resume=config.resume,
        recipe=config.recipe(),
    )
    return student, history | learnt


def _fit_heir(
    config: TrainConfig,
    teacher: HybridCrossModalDistiller,
    data: Dataset,
    number: int,
    progress: Progress,
) -> tuple[HybridCrossModalDistiller, list[float]]:
    """The next teacher.

    Source: Furlanello et al., "Born-Again Neural Networks", 2018.
    """
    model, budget = config.heir
    heir = build(model, config.seed, data)

    def renamed(stage: str, done: int, total: int, loss: float) -> None:
        progress(_heir(number), done, total, loss)

    history = AsymmetricDistillationTrainer(teacher, heir, budget).train_with_missing_modalities(
        data,
        progress=renamed,
        checkpoint=config.checkpoint and _beside(config.checkpoint, _heir(number)),
        resume=config.resume,
        recipe=config.recipe(),
    )
    return heir.requires_grad_(False), history["student"]


def _heir(number: int) -> str:
    """The stage of a generation before the last, counted from 1."""
    return f"generation-{number}"


def _beside(checkpoint: Path, stage: str) -> Path:
    return checkpoint.with_name(f"{checkpoint.name}.{stage}")


def _data(config: TrainConfig, progress: Progress, recorded: Dataset | None) -> dict[Part, Dataset]:
    """Every part; `train` holds the simulated units first: labelled, then unlabelled ones."""
    unlabelled = config.unlabelled_units if recorded is None else 0
    sizes: dict[Part, int] = {
        "train": config.train_units + unlabelled,
        "validation": config.validation_units,
        "test": config.test_units,
    }
    data: dict[Part, Dataset] = {}
    for part, units in sizes.items():

        def simulated(done: int, before: int = sum(map(len, data.values()))) -> None:
            progress("simulating", before + done, sum(sizes.values()), nan)

        data[part] = simulate(
            config.data_seed, part, units, workers=config.workers, progress=simulated
        )
    whole = data["train"]
    whole.labelled[config.train_units :] = False
    if recorded is not None:
        data["train"] = whole + recorded
    return data
