"""The circuit against its controls: what it adds, for every set of modalities.

Five ways to let the modalities meet, everything else equal: encoders, perceptron, data, order,
modality dropout, epochs. The learning rate is chosen for each variant from the same few, on units
held out for that. Each network is trained once a seed, with modality dropout, and then asked with
each of the 63 subsets.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from agents.distiller.attention import VARIANTS, Variant
from agents.distiller.model import HybridCrossModalDistiller, ModelConfig
from agents.lab.evaluation.config import EvaluationConfig
from agents.lab.evaluation.pool import load_pool
from agents.lab.evaluation.section import Plot, Section, cell, paired, paired_cell, table
from agents.lab.evaluation.work import Jobs
from agents.lab.training.dataset import SHAPES, Dataset
from agents.lab.training.fitting import FitConfig, Supervised, build, fit, torch_threads
from agents.lab.training.metrics import CUMULATIVE, SINGLE, SUBSETS, Shown, accuracies
from schemas.decision import Tier

HEADS_SHOWN = ("routing", "quality", "reuse")


@dataclass(frozen=True, slots=True)
class Run:
    """One network: a variant, a seed, a learning rate."""

    variant: Variant
    seed: int
    learning_rate: float
    epochs: int
    extractor: bool = False
    """Whether `QuantumFeatureExtractor` follows every encoder."""


def benchmark_hybrid_vs_classical(
    config: EvaluationConfig, folder: Path, jobs: Jobs, variants: Sequence[Variant] = VARIANTS
) -> Section:
    """Train every variant with every seed and compare.

    Args:
        config: the budget.
        folder: of the pool of units.
        jobs: what the trainings run on.
        variants: those to compare; `hybrid` must be among them.
    """
    chosen = _tune(config, folder, jobs, variants)
    runs = [Run(v, s, chosen[v], config.epochs) for s in range(config.seeds) for v in variants]
    runs += [Run("hybrid", s, chosen["hybrid"], config.epochs, True) for s in range(config.seeds)]
    results = jobs.map("variants", _measure, config, folder, runs)
    scores: dict[str, list[Scores]] = {_name(run): [] for run in runs}
    for run, found in zip(runs, results, strict=True):
        scores[_name(run)].append(found)
    return _section(config, chosen, scores)


def _tune(
    config: EvaluationConfig, folder: Path, jobs: Jobs, variants: Sequence[Variant]
) -> dict[Variant, float]:
    """The learning rate of each variant: the best on validation units, with the first seed."""
    if len(config.learning_rates) == 1:
        return dict.fromkeys(variants, config.learning_rates[0])
    trials = [Run(v, 0, rate, config.epochs) for v in variants for rate in config.learning_rates]
    tuned = jobs.map("tuning", _validate, config, folder, trials)
    scores = {
        (trial.variant, trial.learning_rate): score
        for trial, score in zip(trials, tuned, strict=True)
    }
    return {v: max(config.learning_rates, key=lambda rate: scores[v, rate]) for v in variants}


Scores = dict[Shown, dict[str, float]]
"""Accuracy by modalities shown and head."""


def _name(run: Run) -> str:
    return f"{run.variant} + quantum features" if run.extractor else run.variant


def _train(config: EvaluationConfig, data: Dataset, run: Run) -> HybridCrossModalDistiller:
    seed = run.seed + 1
    with torch_threads(config.threads):
        model = build(
            ModelConfig(
                SHAPES, width=0.7, top=Tier.SMALL, variant=run.variant, extractor=run.extractor
            ),
            seed,
            data,
        )
        budget = FitConfig(seed, run.epochs, learning_rate=run.learning_rate)
        fit(Supervised(model, top_only=True), data, budget)
    return model


def _validate(config: EvaluationConfig, folder: Path, run: Run) -> float:
    """Mean routing accuracy over all subsets on the validation units."""
    pool = load_pool(config, folder)
    model = _train(config, pool.slice(run.seed * config.units, config.units), run)
    return mean(found["routing"] for found in accuracies(model, pool.validation, SUBSETS).values())


def _measure(config: EvaluationConfig, folder: Path, run: Run) -> Scores:
    pool = load_pool(config, folder)
    model = _train(config, pool.slice(run.seed * config.units, config.units), run)
    return accuracies(model, pool.test, SUBSETS)


def _by_size(scores: Scores, size: int, head: str) -> float:
    return mean(found[head] for shown, found in scores.items() if len(shown) == size)


def _section(
    config: EvaluationConfig, chosen: dict[Variant, float], scores: dict[str, list[Scores]]
) -> Section:
    sizes = range(1, 7)
    text = [
        f"{config.seeds} seeds, {config.units} labelled units and {config.epochs} epochs a "
        f"network, {config.test_units} units to test on. Learning rate of each variant chosen "
        f"from {', '.join(f'{rate:g}' for rate in config.learning_rates)} with the first seed, "
        "on units held out for that: "
        f"{', '.join(f'{v} {r:g}' for v, r in chosen.items())}. "
        "Accuracy in per cent, mean ± standard deviation over seeds, averaged over all sets of so "
        "many modalities.",
    ]
    others = [name for name in scores if name != "hybrid"]
    data: dict[str, Any] = {"learning_rates": chosen, "config": _plain(config), "accuracy": {}}
    for head in HEADS_SHOWN:
        rows = [
            [name, *(cell([_by_size(s, n, head) for s in found]) for n in sizes)]
            for name, found in scores.items()
        ]
        for other in others:
            rows.append(
                [
                    f"hybrid minus {other} (± s.e.)",
                    *(
                        paired_cell(
                            [_by_size(s, n, head) for s in scores["hybrid"]],
                            [_by_size(s, n, head) for s in scores[other]],
                        )
                        for n in sizes
                    ),
                ]
            )
        text += [f"**{head.capitalize()}** by number of modalities:"]
        text += [table(["variant", *map(str, sizes)], rows)]
    text += ["**What each modality adds** (hybrid): alone, and one after the other."]
    text += [table(["modalities", *HEADS_SHOWN], _added(scores["hybrid"]))]
    text += ["**Best combination** by number of modalities (hybrid, routing, mean over seeds):"]
    text += [table(["modalities", "best set", "routing"], _best(scores["hybrid"]))]
    for name, found in scores.items():
        data["accuracy"][name] = {
            "+".join(shown): {head: [s[shown][head] for s in found] for head in found[0][shown]}
            for shown in SUBSETS
        }
    data["paired"] = {
        other: {
            head: {
                str(n): paired(
                    [_by_size(s, n, head) for s in scores["hybrid"]],
                    [_by_size(s, n, head) for s in scores[other]],
                )
                for n in sizes
            }
            for head in HEADS_SHOWN
        }
        for other in others
    }
    data["by_size"] = {
        name: {
            head: {str(n): [_by_size(s, n, head) for s in found] for n in sizes}
            for head in HEADS_SHOWN
        }
        for name, found in scores.items()
    }

    def draw(axes: Any) -> None:
        for number, (name, found) in enumerate(scores.items()):
            shift = 0.06 * (number - len(scores) / 2)
            means = [mean(100 * _by_size(s, n, "routing") for s in found) for n in sizes]
            axes.plot([n + shift for n in sizes], means, marker="o", markersize=4, label=name)
        axes.set_xlabel("modalities shown")
        axes.set_ylabel("routing accuracy, %")
        axes.legend()

    plot = Plot("variants", "Routing accuracy by number of modalities, mean over seeds.", draw)
    title = "The circuit against its controls"
    return Section("variants", title, "\n\n".join(text), data, [plot])


def _added(scores: list[Scores]) -> list[list[str]]:
    return [
        [
            f"+ {shown[-1]}" if len(shown) > 1 else f"{shown[0]} alone",
            *(cell([s[shown][head] for s in scores]) for head in HEADS_SHOWN),
        ]
        for shown in SINGLE + CUMULATIVE[1:]
    ]


def _best(scores: list[Scores]) -> list[list[str]]:
    rows = []
    for size in range(1, 7):
        sets = [shown for shown in SUBSETS if len(shown) == size]
        best = max(sets, key=lambda shown: mean(s[shown]["routing"] for s in scores))
        rows.append([str(size), " + ".join(best), cell([s[best]["routing"] for s in scores])])
    return rows


def _plain(config: EvaluationConfig) -> dict[str, Any]:
    return {
        name: value for name, value in asdict(config).items() if name not in {"folder", "workers"}
    }
