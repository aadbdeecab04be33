"""What distilling on unlabelled paired records is worth when modalities are missing."""

from pathlib import Path
from statistics import mean
from typing import Any

from agents.distiller.fitting import torch_threads
from agents.distiller.metrics import ALL, Shown, accuracies
from agents.distiller.model import HybridCrossModalDistiller
from agents.evaluation.config import EvaluationConfig
from agents.evaluation.pool import load_pool
from agents.evaluation.scarce import (
    HALF_MISSING,
    ONE_MISSING,
    fit_alone,
    fit_distilled,
    fit_teacher,
)
from agents.evaluation.section import Section, cell, table
from agents.evaluation.work import Jobs

WITHOUT: dict[str, list[Shown]] = {"none": [ALL], "one": ONE_MISSING, "half": HALF_MISSING}
"""How much is missing, and every set that is then left."""

Found = dict[str, dict[str, float]]
"""Routing accuracy of each way to train, by how much is missing."""


def evaluate_distilling(config: EvaluationConfig, folder: Path, jobs: Jobs) -> Section:
    """Teacher, modality dropout alone and distilled student, with modalities missing."""
    return compare(config, jobs.map("distilling", _run, config, folder, list(range(config.seeds))))


def compare(config: EvaluationConfig, runs: list[Found]) -> Section:
    """The section, of what each seed found."""
    ways = list(runs[0])
    rows = [
        [way, *(cell([run[way][missing] for run in runs]) for missing in WITHOUT)] for way in ways
    ]
    closed = {
        missing: {
            "labels alone": [
                _closed(run, "distilled on the labelled units", missing) for run in runs
            ],
            "unlabelled paired records": [_closed(run, "distilled", missing) for run in runs],
        }
        for missing in ("one", "half")
    }
    parts = [
        f"{config.labelled} labelled units, {config.unlabelled} more as paired records without "
        f"labels, {config.seeds} seeds with labelled units of their own; networks of one size. "
        "Routing accuracy in per cent, mean ± standard deviation; with one modality missing the "
        "mean over the 6 sets that are left, with half of them over the 20.",
        table(["trained", "none missing", "one missing", "half missing"], rows),
        "The gap is that between the teacher, who sees all six, and modality dropout alone, which "
        "does not. Part of it that distilling closes, in per cent:",
        table(
            ["distilled on", "one missing", "half missing"],
            [
                [name, *(cell(closed[missing][name]) for missing in closed)]
                for name in closed["one"]
            ],
        ),
    ]
    data: dict[str, Any] = {"runs": runs, "gap_closed": closed}
    title = "Distilling on unlabelled paired records"
    return Section("distilling", title, "\n\n".join(parts), data)


def _run(config: EvaluationConfig, folder: Path, seed: int) -> Found:
    pool = load_pool(config, folder)
    first = seed * config.labelled
    labelled = pool.slice(first, config.labelled)
    more = pool.slice(first + config.labelled, config.unlabelled).unlabelled()
    with torch_threads(config.threads):
        teacher = fit_teacher(config, labelled, seed + 1)
        found = {
            "teacher": teacher,
            "modality dropout alone": fit_alone(config, labelled, pool.validation, seed + 1),
            "distilled on the labelled units": fit_distilled(config, [teacher], labelled, seed + 1),
            "distilled": fit_distilled(config, [teacher], labelled + more, seed + 1),
        }
        return {way: _missing(model, pool.test) for way, model in found.items()}


def _missing(model: HybridCrossModalDistiller, test: Any) -> dict[str, float]:
    scores = accuracies(model, test, [shown for sets in WITHOUT.values() for shown in sets])
    return {
        missing: mean(scores[shown]["routing"] for shown in sets)
        for missing, sets in WITHOUT.items()
    }


def _closed(run: Found, way: str, missing: str) -> float:
    """The part of the gap; 0 where there is none to close."""
    alone = run["modality dropout alone"][missing]
    gap = run["teacher"]["none"] - alone
    return (run[way][missing] - alone) / gap if gap else 0.0
