"""Device models that were never met: does what was learnt carry over?

The twelve device models are held out in groups, a group of a time; everything is trained on units
of the others and tested on units of the group. Labels are scarce. The baseline is the classical
multimodal network on the labels, with modality dropout; the others add, one after the other, what
could help.
"""

from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from torch import Tensor

from agents.distiller.dataset import Dataset
from agents.distiller.fitting import torch_threads
from agents.distiller.metrics import ALL, accuracies
from agents.evaluation.config import EvaluationConfig
from agents.evaluation.pool import Pool, load_pool
from agents.evaluation.scarce import fit_alone, fit_distilled, fit_teacher
from agents.evaluation.section import Section, cell, table
from agents.evaluation.work import Jobs
from agents.simulator.models import MODELS

BASELINE = "classical, labels alone"
TEACHERS = 3
"""Of a committee."""


@dataclass(frozen=True, slots=True)
class Fold:
    """Which units of a pool one group's turn is made of, int64 row numbers."""

    labelled: Tensor
    """Of the training units, of models that are met;"""
    met: Tensor
    """others of such models;"""
    anyone: Tensor
    """as many, as the line would bring them: the models held out are among them."""
    validation: Tensor
    """Of the validation units, of models that are met: nothing is chosen on the others, either."""
    test: Tensor
    """Of the test units, of models held out."""


def evaluate_unseen(config: EvaluationConfig, folder: Path, jobs: Jobs) -> Section:
    """Routing error on device models held out, by approach."""
    runs = jobs.map("unseen models", _run, config, folder, list(range(config.folds)))
    ways = list(runs[0])
    base = [run[BASELINE] for run in runs]
    rows = []
    for way in ways:
        errors = [run[way] for run in runs]
        less = [1 - e / b for e, b in zip(errors, base, strict=True)]
        rows.append([way, cell(errors), "" if way == BASELINE else cell(less)])
    reduction = {
        way: 1 - mean(run[way] for run in runs) / mean(base) for way in ways if way != BASELINE
    }
    groups = [
        ", ".join(MODELS[i].name for i in group(config, fold)) for fold in range(config.folds)
    ]
    parts = [
        f"{config.labelled} labelled units and up to {config.unlabelled} paired records without "
        "labels, of the device models that are not held out. Held out in turn: "
        f"{'; '.join(groups)}. Routing error with all six modalities in per cent, mean ± standard "
        "deviation over the groups, and how much lower it is than the baseline's.",
        table(["approach", "error", "lower by"], rows),
    ]
    data: dict[str, Any] = {"runs": runs, "reduction": reduction, "groups": groups}
    return Section("unseen", "Device models never met", "\n\n".join(parts), data)


def group(config: EvaluationConfig, fold: int) -> range:
    """The numbers of the device models that are held out together."""
    # Every fourth: neighbours in the list share a platform, and would give each other away.
    return range(fold, len(MODELS), max(config.folds, 4))


def split(config: EvaluationConfig, pool: Pool, fold: int) -> Fold:
    """Share out the units of a pool."""
    held_out = torch.tensor(list(group(config, fold)))
    met = _rows(~torch.isin(pool.train_models, held_out))
    labelled, rest = met[: config.labelled], met[config.labelled :][: config.unlabelled]
    anyone = torch.arange(len(pool.train))
    return Fold(
        labelled,
        rest,
        anyone[~torch.isin(anyone, labelled)][: len(rest)],
        _rows(~torch.isin(pool.validation_models, held_out)),
        _rows(torch.isin(pool.test_models, held_out)),
    )


def _rows(chosen: Tensor) -> Tensor:
    return chosen.nonzero().squeeze(1)


def _run(config: EvaluationConfig, folder: Path, fold: int) -> dict[str, float]:
    pool, seed = load_pool(config, folder), fold + 1
    rows = split(config, pool, fold)
    labelled = pool.train.rows(rows.labelled)
    more, arriving = (pool.train.rows(r).unlabelled() for r in (rows.met, rows.anyone))
    validation, test = pool.validation.rows(rows.validation), pool.test.rows(rows.test)
    with torch_threads(config.threads):
        teachers = [fit_teacher(config, labelled, seed + 100 * n) for n in range(TEACHERS)]
        found = {
            BASELINE: fit_alone(config, labelled, validation, seed),
            "teacher (labels alone, always all six)": teachers[0],
            "distilled, labelled units only": fit_distilled(config, teachers[:1], labelled, seed),
            "distilled, unlabelled records": fit_distilled(
                config, teachers[:1], labelled + more, seed
            ),
            f"distilled by a committee of {TEACHERS}": fit_distilled(
                config, teachers, labelled + more, seed
            ),
            "the same, new models among the unlabelled": fit_distilled(
                config, teachers, labelled + arriving, seed
            ),
        }
        return {way: 1 - _routing(model, test) for way, model in found.items()}


def _routing(model: Any, test: Dataset) -> float:
    return accuracies(model, test, [ALL])[ALL]["routing"]
