"""What unlabelled paired records are worth on measured data when views are missing.

As in `agents.lab.evaluation.distilling`: a teacher that learns from few labels and sees every view,
modality dropout alone on the same labels, and a student that is distilled from the teacher. All are
of one size and meet by concatenation.
"""

from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import mean
from typing import Any

import torch

from agents.distiller.attention import Variant
from agents.lab.evaluation.config import EvaluationConfig
from agents.lab.evaluation.real.budget import Budget, Scarce
from agents.lab.evaluation.real.data import Digits, digits
from agents.lab.evaluation.real.loop import Recipe
from agents.lab.evaluation.real.multiview import MultiView, accuracy, fit_distilled, fit_labelled
from agents.lab.evaluation.real.split import stratified
from agents.lab.evaluation.section import Plot, cell, paired, table
from agents.lab.training.fitting import torch_threads

TEACHER = "teacher"
ALONE = "modality dropout alone"
ON_LABELLED = "distilled on the labelled digits"
DISTILLED = "distilled on unlabelled pairs, too"

Scores = dict[str, list[float]]
"""By way to train: the accuracy with 0, 1, ... views missing, each the mean over all sets left."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One setting, one seed."""

    setting: Scarce
    seed: int


def trials(config: EvaluationConfig) -> list[Trial]:
    """What is to be run."""
    settings = Budget.of(config).scarce
    return [Trial(setting, seed) for setting in settings for seed in range(config.seeds)]


def run(config: EvaluationConfig, folder: Path, trial: Trial) -> Scores:
    """Accuracy on test digits of networks trained in four ways."""
    budget, every = Budget.of(config), digits(folder)
    data = Digits(every.views[: trial.setting.views], every.labels)
    sizes = (trial.setting.labelled, budget.scarce_test)
    labelled, test, unlabelled = stratified(data.labels, sizes, trial.seed)
    recipe = Recipe(trial.seed + 1, budget.scarce_steps)
    nothing = torch.empty(0, dtype=torch.int64)
    variant: Variant = "concatenation"
    with torch_threads(config.threads):
        teacher = fit_labelled(data, labelled, recipe, variant, full=1.0)
        found = {
            TEACHER: teacher,
            ALONE: fit_labelled(data, labelled, recipe, variant),
            ON_LABELLED: fit_distilled(data, labelled, nothing, teacher, recipe, variant),
            DISTILLED: fit_distilled(data, labelled, unlabelled, teacher, recipe, variant),
        }

        def score(model: MultiView, missing: int) -> float:
            m = len(data.views)
            left = combinations(range(m), m - missing)
            return mean(accuracy(model, data, test, shown) for shown in left)

        return {
            way: [score(model, missing) for missing in range(len(data.views))]
            for way, model in found.items()
        }


def gap_closed(
    alone: list[float], distilled: list[float], teacher: list[float]
) -> dict[str, float | None]:
    """Which part of the gap between teacher and dropout alone distilling closes.

    Args:
        alone: accuracy of modality dropout alone with views missing, one a seed.
        distilled: that of the student, on the same.
        teacher: that of the teacher, with every view.

    Returns:
        The `gap`, its `standard_error`, the `gain` of the student over dropout alone, and their
        ratio `closed`: of the means over seeds, for that of one seed may divide by nothing. None
        where the gap is not twice its standard error: then there is none to close.
    """
    gap, gain = paired(teacher, alone), paired(distilled, alone)
    there = gap["difference"] > 2 * gap["standard_error"]
    return {
        "gap": gap["difference"],
        "standard_error": gap["standard_error"],
        "gain": gain["difference"],
        "gain_standard_error": gain["standard_error"],
        "closed": gain["difference"] / gap["difference"] if there else None,
    }


def describe(found: dict[Scarce, list[Scores]]) -> tuple[str, dict[str, Any], Plot]:
    """Markdown and JSON of all trials, and a figure of the first setting."""
    parts: list[str] = []
    data: dict[str, Any] = {}
    for setting, scores in found.items():
        ways = {way: list(zip(*(s[way] for s in scores), strict=True)) for way in scores[0]}
        half = setting.views // 2
        shown = {"none": 0, "one": 1} | ({"half": half} if half > 1 else {})
        rows = [[way, *(cell(by[n]) for n in shown.values())] for way, by in ways.items()]
        closed = {
            way: {
                name: gap_closed(list(ways[ALONE][n]), list(ways[way][n]), list(ways[TEACHER][0]))
                for name, n in shown.items()
                if n
            }
            for way in (ON_LABELLED, DISTILLED)
        }
        parts += [
            f"**{setting}**:",
            table(["trained", *(f"{name} missing" for name in shown)], rows),
            table(
                ["", "missing", "gap, points (± s.e.)", "gain, points (± s.e.)", "closed, %"],
                [
                    [way, name, *_cells(result)]
                    for way, by in closed.items()
                    for name, result in by.items()
                ],
            ),
        ]
        data[str(setting)] = {"accuracy_by_missing": scores, "gap_closed": closed}
    setting, scores = next(iter(found.items()))
    plot = Plot(
        "digits-distilled",
        f"Handwritten digits, {setting}: accuracy as views go missing, mean over seeds.",
        lambda axes: _draw(axes, scores),
    )
    return "\n\n".join(parts), data, plot


def _cells(result: dict[str, float | None]) -> list[str]:
    def points(value: str, error: str) -> str:
        return f"{100 * (result[value] or 0):+.1f} ± {100 * (result[error] or 0):.1f}"

    closed = result["closed"]
    return [
        points("gap", "standard_error"),
        points("gain", "gain_standard_error"),
        "no gap" if closed is None else f"{100 * closed:.0f}",
    ]


def _draw(axes: Any, scores: list[Scores]) -> None:
    for way in scores[0]:
        means = [100 * mean(values) for values in zip(*(s[way] for s in scores), strict=True)]
        axes.plot(range(len(means)), means, marker="o", markersize=4, label=way)
    axes.set_xlabel("views missing")
    axes.set_ylabel("accuracy, %")
    axes.legend()
