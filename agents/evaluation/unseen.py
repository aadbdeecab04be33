"""Device models that were never met: does what was learnt carry over?

The twelve device models are held out in groups, a group of a time; everything is trained on units
of the others and tested on units of the group. Labels are scarce. The baseline is the classical
multimodal network on the labels, with modality dropout; the others add, one after the other, what
could help.
"""

from pathlib import Path
from statistics import mean
from typing import Any

import torch

from agents.distiller.dataset import Dataset
from agents.distiller.fitting import torch_threads
from agents.distiller.metrics import ALL, accuracies
from agents.evaluation.config import EvaluationConfig
from agents.evaluation.pool import load_pool
from agents.evaluation.scarce import fit_alone, fit_distilled, fit_teacher
from agents.evaluation.section import Section, cell, table
from agents.evaluation.work import Jobs
from agents.simulator.models import MODELS

BASELINE = "classical, labels alone"
TEACHERS = 3
"""Of a committee."""


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
        ", ".join(MODELS[i].name for i in _group(config, fold)) for fold in range(config.folds)
    ]
    parts = [
        f"{config.labelled} labelled units and {config.unlabelled} paired records without labels, "
        f"of the device models that are not held out. Held out in turn: {'; '.join(groups)}. "
        "Routing error with all six modalities in per cent, mean ± standard deviation over the "
        "groups, and how much lower it is than the baseline's.",
        table(["approach", "error", "lower by"], rows),
    ]
    data: dict[str, Any] = {"runs": runs, "reduction": reduction, "groups": groups}
    return Section("unseen", "Device models never met", "\n\n".join(parts), data)


def _group(config: EvaluationConfig, fold: int) -> range:
    # Every fourth: neighbours in the list share a platform, and would give each other away.
    return range(fold, len(MODELS), max(config.folds, 4))


def _run(config: EvaluationConfig, folder: Path, fold: int) -> dict[str, float]:
    pool, seed = load_pool(config, folder), fold + 1
    held_out = torch.tensor(list(_group(config, fold)))
    met = (~torch.isin(pool.train_models, held_out)).nonzero().squeeze(1)
    labelled = pool.train.rows(met[: config.labelled])
    rest = met[config.labelled : config.labelled + config.unlabelled]
    more = pool.train.rows(rest).unlabelled()
    # The same number of records, as the line would bring them: the new models are among them.
    anyone = torch.arange(len(pool.train))
    anyone = anyone[~torch.isin(anyone, met[: config.labelled])][: config.unlabelled]
    arriving = pool.train.rows(anyone).unlabelled()
    # Nothing is chosen on models held out, either.
    validation = pool.validation.rows(~torch.isin(pool.validation_models, held_out))
    test = pool.test.rows(torch.isin(pool.test_models, held_out))
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
