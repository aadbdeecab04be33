"""What distilling on unlabelled paired records is worth when modalities are missing."""

from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

from agents.distiller.model import HybridCrossModalDistiller
from agents.lab.evaluation.config import EvaluationConfig
from agents.lab.evaluation.pool import load_pool
from agents.lab.evaluation.scarce import (
    HALF_MISSING,
    ONE_MISSING,
    fit_alone,
    fit_distilled,
    fit_generations,
    fit_teacher,
)
from agents.lab.evaluation.section import Section, cell, table
from agents.lab.evaluation.work import Jobs
from agents.lab.training.dataset import Dataset
from agents.lab.training.fitting import torch_threads
from agents.lab.training.metrics import ALL, Shown, accuracies

WITHOUT: dict[str, list[Shown]] = {"none": [ALL], "one": ONE_MISSING, "half": HALF_MISSING}
"""How much is missing, and every set that is then left."""

Found = dict[str, dict[str, float]]
"""Routing accuracy of each way to train, by how much is missing."""

TEACHER = "teacher"
ALONE = "modality dropout alone"
ON_LABELLED = "distilled on the labelled units"
LONGER = "one generation, as long as all"


def generation(number: int) -> str:
    """The name of a way to train: on unlabelled records, too; 1 for the first generation."""
    return "distilled" if number == 1 else f"distilled, generation {number}"


def evaluate_distilling(config: EvaluationConfig, folder: Path, jobs: Jobs) -> Section:
    """Teacher, modality dropout alone and distilled student, with modalities missing."""
    return compare(config, jobs.map("distilling", _run, config, folder, list(range(config.seeds))))


def compare(config: EvaluationConfig, runs: list[Found]) -> Section:
    """The section, of what each seed found."""
    ways = list(runs[0])
    rows = [
        [way, *(cell([run[way][missing] for run in runs]) for missing in WITHOUT)] for way in ways
    ]
    students = [way for way in ways if way not in (TEACHER, ALONE)]
    closed = {
        missing: {way: [_closed(run, way, missing) for run in runs] for way in students}
        for missing in ("one", "half")
    }
    parts = [
        f"{config.labelled} labelled units, {config.unlabelled} more as paired records without "
        f"labels, {config.seeds} seeds with labelled units of their own; networks of one size. "
        f"`{ON_LABELLED}` has no unlabelled records, the others do. Each generation is taught by "
        f"the one before it; `{LONGER}` is the first with as many epochs as all "
        f"{config.generations} together. "
        "Routing accuracy in per cent, mean ± standard deviation; with one modality missing the "
        "mean over the 6 sets that are left, with half of them over the 20.",
        table(["trained", "none missing", "one missing", "half missing"], rows),
        "The gap is that between the teacher, who sees all six, and modality dropout alone, which "
        "does not. Part of it that distilling closes, in per cent (more than 100: the student, "
        "shown fewer, is better than the teacher who sees them all):",
        table(
            ["trained", "one missing", "half missing"],
            [[way, *(cell(closed[missing][way]) for missing in closed)] for way in students],
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
    whole = labelled + more
    longer = replace(config, distilling_epochs=config.generations * config.distilling_epochs)
    with torch_threads(config.threads):
        teacher = fit_teacher(config, labelled, seed + 1)
        students = fit_generations(config, [teacher], whole, seed + 1)
        found = {
            TEACHER: teacher,
            ALONE: fit_alone(config, labelled, pool.validation, seed + 1),
            ON_LABELLED: fit_distilled(config, [teacher], labelled, seed + 1),
            **{generation(number): student for number, student in enumerate(students, 1)},
            LONGER: fit_distilled(longer, [teacher], whole, seed + 1),
        }
        return {way: _missing(model, pool.test) for way, model in found.items()}


def _missing(model: HybridCrossModalDistiller, test: Dataset) -> dict[str, float]:
    scores = accuracies(model, test, [shown for sets in WITHOUT.values() for shown in sets])
    return {
        missing: mean(scores[shown]["routing"] for shown in sets)
        for missing, sets in WITHOUT.items()
    }


def _closed(run: Found, way: str, missing: str) -> float:
    """The part of the gap; 0 where there is none to close."""
    alone = run[ALONE][missing]
    gap = run[TEACHER]["none"] - alone
    return (run[way][missing] - alone) / gap if gap else 0.0
