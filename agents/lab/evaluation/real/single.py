"""One modality at a time: the distiller's encoders against the baselines of their fields.

An encoder with a linear layer behind it, on the features that the pipeline extracts, trained by one
recipe that is not tuned to the split; the baselines tune themselves within the training rows.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from agents.distiller.encoders import Shape, Standardise, encoder
from agents.extract import note, spectrum
from agents.extract.kinds import extract
from agents.lab.evaluation.config import EvaluationConfig
from agents.lab.evaluation.real.baselines import pls_da, tf_idf
from agents.lab.evaluation.real.budget import Budget, Task
from agents.lab.evaluation.real.data import Column, coffee, work_orders
from agents.lab.evaluation.real.loop import Recipe, descend
from agents.lab.evaluation.section import cell, paired, paired_cell, table
from agents.lab.training.fitting import seeded, torch_threads
from schemas.modality import Modality
from schemas.observation import Spectral, Text

DIM = 32
SPECTRA = Recipe(seed=0, steps=300, batch=16, learning_rate=5e-3)
TEXTS = Recipe(seed=0, steps=1_000, batch=50, learning_rate=1e-3)

COLUMNS: dict[Task, Column] = {"system": "MajorSystem", "part": "Part"}

Scores = dict[str, float]
"""Accuracy by method; the encoder's first, then the baselines'."""
ENCODER = "encoder"
TOLERANCE = 0.02


@dataclass(frozen=True, slots=True)
class Trial:
    """One task, one seed."""

    task: Task
    seed: int


def trials(config: EvaluationConfig) -> list[Trial]:
    """What is to be run."""
    return [Trial(task, seed) for task in Budget.of(config).tasks for seed in range(config.seeds)]


def run(config: EvaluationConfig, folder: Path, trial: Trial) -> Scores:
    """Accuracy of the encoder and of its baselines on rows that neither was trained on."""
    with torch_threads(config.threads):
        if trial.task in COLUMNS:
            return _texts(COLUMNS[trial.task], folder, trial.seed)
        if trial.task == "coffee":
            return _coffee(folder, trial.seed)
        return _few_coffee(folder, trial.seed, Budget.of(config).draws)


def encode_and_decide(
    modality: Modality, shape: Shape, x: Tensor, labels: Tensor, rows: Tensor, recipe: Recipe
) -> nn.Module:
    """The encoder of a modality and a linear layer, trained on some rows.

    Args:
        modality: whose encoder.
        shape: of one row's features.
        x: features, (N, *shape).
        labels: int64 (N,).
        rows: the numbers of those to learn from.
        recipe: the budget.
    """
    with seeded(recipe.seed):
        classes = int(labels.max()) + 1
        model = nn.Sequential(encoder(modality, shape, DIM), nn.Linear(DIM, classes))
    standardise = model.get_submodule("0.0")
    assert isinstance(standardise, Standardise)
    standardise.fit(x[rows])
    x, labels = x[rows], labels[rows]
    descend(model, len(rows), recipe, lambda i: F.cross_entropy(model(x[i]), labels[i]))
    return model


def _coffee(folder: Path, seed: int) -> Scores:
    """Five folds, each held out once."""
    from sklearn.model_selection import StratifiedKFold

    labels = coffee(folder).labels
    splits = StratifiedKFold(5, shuffle=True, random_state=seed).split(labels, labels)
    return _spectra(folder, seed, list(splits))


def _few_coffee(folder: Path, seed: int, draws: int) -> Scores:
    """Five spectra of each origin to train on, 45 to test, a few times."""
    from sklearn.model_selection import StratifiedShuffleSplit

    labels = coffee(folder).labels
    split = StratifiedShuffleSplit(draws, train_size=15, test_size=45, random_state=seed)
    return _spectra(folder, seed, list(split.split(labels, labels)))


def _spectra(folder: Path, seed: int, splits: list[tuple[NDArray[Any], NDArray[Any]]]) -> Scores:
    data, x = coffee(folder), _spectral_features(folder)
    recipe = replace(SPECTRA, seed=seed)
    ours, theirs = [], []
    for train, test in splits:
        labels = torch.from_numpy(data.labels)
        rows = torch.from_numpy(train)
        model = encode_and_decide(
            Modality.SPECTRAL, spectrum.SETTINGS.shape, x, labels, rows, recipe
        )
        ours.append(_right(model, x[torch.from_numpy(test)], data.labels[test]))
        said = pls_da(data.spectra[train], data.labels[train], data.spectra[test])
        theirs.append(float((said == data.labels[test]).mean()))
    return {ENCODER: float(np.mean(ours)), "PLS-DA": float(np.mean(theirs))}


def _texts(column: Column, folder: Path, seed: int) -> Scores:
    """Four fifths to train on, one to test."""
    from sklearn.model_selection import train_test_split

    data, x = work_orders(column, folder), _text_features(column, folder)
    every = np.arange(len(data.labels))
    train, test = train_test_split(every, test_size=0.2, stratify=data.labels, random_state=seed)
    recipe = replace(TEXTS, seed=seed)
    labels, rows = torch.from_numpy(data.labels), torch.from_numpy(train)
    model = encode_and_decide(Modality.TEXT, note.SETTINGS.shape, x, labels, rows, recipe)
    known, truth = data.labels[train], data.labels[test]
    words = tf_idf(data.texts[train], known, data.texts[test])
    letters = tf_idf(data.texts[train], known, data.texts[test], letters=True)
    return {
        ENCODER: _right(model, x[torch.from_numpy(test)], truth),
        "TF-IDF of words": float((words == truth).mean()),
        "TF-IDF of letter groups": float((letters == truth).mean()),
    }


@torch.no_grad()
def _right(model: nn.Module, x: Tensor, truth: NDArray[np.int64]) -> float:
    return float((model(x).argmax(1).numpy() == truth).mean())


@lru_cache(maxsize=1)
def _spectral_features(folder: Path) -> Tensor:
    """(N, 2, 128). The file names no wavenumbers, so its points are laid over the axis of the
    pipeline's spectrometer from end to end; nothing that follows knows what lies where."""
    spectra = coffee(folder).spectra.astype(np.float32)
    ends = spectrum.SETTINGS.start_nm, spectrum.SETTINGS.stop_nm
    axis = np.linspace(*ends, spectra.shape[1]).astype(np.float32)
    features = [extract(Spectral(row, axis, "nm")) for row in spectra]
    return torch.tensor(np.stack(features), dtype=torch.float32)


@lru_cache(maxsize=2)
def _text_features(column: Column, folder: Path) -> Tensor:
    """(N, 1024)."""
    texts = work_orders(column, folder).texts
    features = [extract(Text(str(order), "en")) for order in texts]
    return torch.tensor(np.stack(features), dtype=torch.float32)


def describe(found: dict[Task, list[Scores]]) -> tuple[str, dict[str, Any]]:
    """Markdown and JSON of all trials, one score a seed."""
    rows: list[list[str]] = []
    data: dict[str, Any] = {}
    for task, scores in found.items():
        by_method = {name: [score[name] for score in scores] for name in scores[0]}
        ours = by_method.pop(ENCODER)
        data[task] = {ENCODER: ours, "baselines": {}}
        for name, theirs in by_method.items():
            gap = paired(ours, theirs)
            within = gap["difference"] >= -TOLERANCE
            verdict = "yes" if within else "no"
            rows.append([task, name, cell(theirs), cell(ours), paired_cell(ours, theirs), verdict])
            data[task]["baselines"][name] = {"accuracy": theirs, **gap, "within": within}
    head = ["task", "baseline", "its accuracy", "encoder", "difference (± s.e.)", "within 2 points"]
    return table(head, rows), data
