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

from agents.lab.evaluation.config import EvaluationConfig
from agents.lab.evaluation.pool import Pool, load_pool
from agents.lab.evaluation.scarce import (
    fit_alone,
    fit_distilled,
    fit_generations,
    fit_labelled,
    fit_teacher,
)
from agents.lab.evaluation.section import Section, cell, table
from agents.lab.evaluation.work import Jobs
from agents.lab.simulator.models import MODELS
from agents.lab.training.dataset import Dataset
from agents.lab.training.fitting import torch_threads
from agents.lab.training.metrics import ALL, accuracies

BASELINE = "classical, labels alone"
NEW_UNLABELLED = "by a committee, new models among the unlabelled"
TEACHERS = 3
"""Of a committee."""
REFERENCE = "reference: every record labelled"
"""What the same network would do if all the unlabelled records had labels, too."""
NEVER, MET = "never met", "met"


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
    test_met: Tensor
    """The other test units."""


Errors = dict[str, dict[str, float]]
"""Routing error of each approach, on device models `never met` and on others that were `met`."""


def evaluate_unseen(config: EvaluationConfig, folder: Path, jobs: Jobs) -> Section:
    """Routing error on device models held out, by approach."""
    runs = jobs.map("unseen models", _run, config, folder, list(range(config.folds)))
    ways = list(runs[0])

    def errors(way: str, models: str) -> list[float]:
        return [run[way][models] for run in runs]

    def less(way: str, models: str) -> float:
        return 1 - mean(errors(way, models)) / mean(errors(BASELINE, models))

    rows = [
        [
            way,
            cell(errors(way, NEVER)),
            "" if way == BASELINE else f"{100 * less(way, NEVER):.1f}",
            cell(errors(way, MET)),
            "" if way == BASELINE else f"{100 * less(way, MET):.1f}",
        ]
        for way in ways
    ]
    tried = [way for way in ways if way not in (BASELINE, REFERENCE)]
    best = max(tried, key=lambda way: less(way, NEVER))
    groups = [
        ", ".join(MODELS[i].name for i in group(config, fold)) for fold in range(config.folds)
    ]
    parts = [
        f"{config.labelled} labelled units and up to {config.unlabelled} paired records without "
        "labels, of the device models that are not held out. Held out in turn: "
        f"{'; '.join(groups)}. Routing error with all six modalities in per cent, mean ± standard "
        "deviation over the groups, and by how many per cent of it the mean is below the "
        "baseline's; beside it the same on test units of models that were met.",
        table(["approach", "never met", "lower by", "met", "lower by"], rows),
        f"The best of {len(tried)} approaches, {best}, errs {100 * less(best, NEVER):.0f} % less "
        f"than the baseline on models never met, and {100 * less(best, MET):.0f} % less on models "
        "that were met. What limits it is not so much the new models as the few labels: with "
        f"every record labelled the error would be {cell(errors(REFERENCE, NEVER))} on models "
        f"never met and {cell(errors(REFERENCE, MET))} on the others. Paired records without "
        "labels make up for missing modalities and for noise, but they cannot teach a rule that "
        "the teacher did not find in its labels.",
    ]
    data: dict[str, Any] = {
        "runs": runs,
        "reduction": {way: less(way, NEVER) for way in tried},
        "reduction_met": {way: less(way, MET) for way in tried},
        "best": best,
        "groups": groups,
    }
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
        _rows(~torch.isin(pool.test_models, held_out)),
    )


def _rows(chosen: Tensor) -> Tensor:
    return chosen.nonzero().squeeze(1)


def _run(config: EvaluationConfig, folder: Path, fold: int) -> Errors:
    pool, seed = load_pool(config, folder), fold + 1
    rows = split(config, pool, fold)
    labelled = pool.train.rows(rows.labelled)
    more, arriving = (pool.train.rows(r).unlabelled() for r in (rows.met, rows.anyone))
    everything = pool.train.rows(torch.cat((rows.labelled, rows.met)))
    validation = pool.validation.rows(rows.validation)
    tests = {NEVER: pool.test.rows(rows.test), MET: pool.test.rows(rows.test_met)}
    with torch_threads(config.threads):
        teachers = [fit_teacher(config, labelled, seed + 100 * n) for n in range(TEACHERS)]
        students = fit_generations(config, teachers, labelled + arriving, seed)
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
            NEW_UNLABELLED: students[0],
            f"{NEW_UNLABELLED}, generation {config.generations}": students[-1],
            REFERENCE: fit_labelled(config, everything, seed),
        }
        return {
            way: {models: 1 - _routing(model, test) for models, test in tests.items()}
            for way, model in found.items()
        }


def _routing(model: Any, test: Dataset) -> float:
    return accuracies(model, test, [ALL])[ALL]["routing"]
