"""How the views should meet: the circuit against its controls, for 2 to 6 modalities.

Everything but the attention is equal: encoders, perceptron, labelled rows, their order, modality
dropout, steps. The learning rate is chosen for each variant and number of views from the same few,
on rows and with a seed that the comparison does not use.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import mean
from typing import Any

from agents.distiller.attention import Variant
from agents.lab.evaluation.config import EvaluationConfig
from agents.lab.evaluation.real.budget import Budget
from agents.lab.evaluation.real.data import VIEWS, Digits, digits
from agents.lab.evaluation.real.loop import Recipe
from agents.lab.evaluation.real.multiview import accuracy, fit_labelled
from agents.lab.evaluation.real.split import stratified
from agents.lab.evaluation.section import Plot, cell, paired, paired_cell, table
from agents.lab.evaluation.work import Jobs
from agents.lab.training.fitting import torch_threads

TUNING_SEED = 1_000
"""Far from those of the comparison: other labelled rows, other initial weights."""

Scores = dict[str, float]
"""Accuracy with "none" or "one" of the views missing (the mean over which)."""


@dataclass(frozen=True, slots=True)
class Run:
    """One network."""

    views: int
    """The first so many of `VIEWS`."""
    variant: Variant
    seed: int
    learning_rate: float


Results = dict[int, dict[Variant, list[Scores]]]
"""By number of views and variant, one a seed."""


def compare(
    config: EvaluationConfig, folder: Path, jobs: Jobs
) -> tuple[Results, dict[int, dict[Variant, float]]]:
    """Tune and train every variant on every number of views; the scores and the learning rates."""
    budget = Budget.of(config)
    cases = [(m, variant) for m in budget.views for variant in budget.variants]
    rates = budget.learning_rates
    if len(rates) > 1:
        trials = [Run(m, v, TUNING_SEED, rate) for m, v in cases for rate in rates]
        tuned = jobs.map("tuning on digits", _validate, config, folder, trials)
    else:
        trials, tuned = [Run(m, v, TUNING_SEED, rates[0]) for m, v in cases], [0.0] * len(cases)
    chosen: dict[int, dict[Variant, float]] = {m: {} for m in budget.views}
    for m, variant in cases:
        _, chosen[m][variant] = max(
            (score, trial.learning_rate)
            for trial, score in zip(trials, tuned, strict=True)
            if (trial.views, trial.variant) == (m, variant)
        )
    runs = [Run(m, v, seed, chosen[m][v]) for m, v in cases for seed in range(config.seeds)]
    results: Results = {m: {v: [] for v in budget.variants} for m in budget.views}
    for run, scores in zip(runs, jobs.map("digits", _test, config, folder, runs), strict=True):
        results[run.views][run.variant].append(scores)
    return results, chosen


def _validate(config: EvaluationConfig, folder: Path, run: Run) -> float:
    """The mean of the accuracies with none and with one missing, on validation rows."""
    return mean(_scores(config, folder, run, validate=True).values())


def _test(config: EvaluationConfig, folder: Path, run: Run) -> Scores:
    return _scores(config, folder, run, validate=False)


def _scores(config: EvaluationConfig, folder: Path, run: Run, *, validate: bool) -> Scores:
    budget, m = Budget.of(config), run.views
    every = digits(folder)
    data = Digits(every.views[:m], every.labels)
    sizes = (budget.labelled, budget.validation)
    labelled, validation, test = stratified(data.labels, sizes, run.seed)
    rows = validation if validate else test
    with torch_threads(config.threads):
        recipe = Recipe(run.seed + 1, budget.steps, learning_rate=run.learning_rate)
        model = fit_labelled(data, labelled, recipe, run.variant)
        one = [accuracy(model, data, rows, shown) for shown in combinations(range(m), m - 1)]
        return {"none": accuracy(model, data, rows, tuple(range(m))), "one": mean(one)}


def describe(
    results: Results, chosen: dict[int, dict[Variant, float]]
) -> tuple[str, dict[str, Any], Plot]:
    """Markdown, JSON and a figure of a comparison."""
    sizes = list(results)
    variants = list(results[sizes[0]])
    parts = []
    for missing, title in (("none", "Every view shown"), ("one", "One view missing")):

        def column(m: int, variant: Variant, missing: str = missing) -> list[float]:
            return [scores[missing] for scores in results[m][variant]]

        rows = [[variant, *(cell(column(m, variant)) for m in sizes)] for variant in variants]
        rows += [
            [
                f"{variants[0]} minus {other} (± s.e.)",
                *(paired_cell(column(m, variants[0]), column(m, other)) for m in sizes),
            ]
            for other in variants[1:]
        ]
        parts += [f"**{title}**, by number of views:", table(["variant", *map(str, sizes)], rows)]
    data = {
        "views": VIEWS,
        "learning_rates": chosen,
        "accuracy": results,
        "paired": {m: _paired(results[m], variants) for m in sizes},
    }
    return "\n\n".join(parts), data, Plot("digits", CAPTION, lambda axes: _draw(axes, results))


CAPTION = (
    "Handwritten digits: accuracy by number of views, mean over seeds; dashed: one of them missing."
)


def _paired(scores: dict[Variant, list[Scores]], variants: Sequence[Variant]) -> dict[str, Any]:
    """The first variant minus each other one."""
    first = scores[variants[0]]
    return {
        other: {
            missing: paired([s[missing] for s in first], [s[missing] for s in scores[other]])
            for missing in first[0]
        }
        for other in variants[1:]
    }


def _draw(axes: Any, results: Results) -> None:
    sizes = list(results)
    for number, variant in enumerate(results[sizes[0]]):
        for missing, style in (("none", "-"), ("one", "--")):
            values = [100 * mean(s[missing] for s in results[m][variant]) for m in sizes]
            label = variant if missing == "none" else None
            axes.plot(
                sizes, values, style, marker="o", markersize=4, color=f"C{number}", label=label
            )
    axes.set_xticks(sizes)
    axes.set_xlabel("views")
    axes.set_ylabel("accuracy, %")
    axes.legend()
