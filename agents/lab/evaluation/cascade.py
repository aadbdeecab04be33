"""The weights that ship, tier by tier, and the cascade that chooses among them.

The teacher that they were distilled from does not ship; what it gets right and what it costs is in
their model card. So that both are measured on the same units, these are the card's test units.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import mean, median
from typing import Any

import torch
from torch import Tensor

from agents.decide.policy import Policy
from agents.distiller.distiller import Distiller, Encoding
from agents.distiller.files import WEIGHTS
from agents.distiller.heads import HEADS
from agents.distiller.hierarchy import HierarchicalDistillation
from agents.distiller.model import HybridCrossModalDistiller
from agents.distiller.prediction import Prediction
from agents.lab.evaluation.config import EvaluationConfig
from agents.lab.evaluation.section import Plot, Section, table
from agents.lab.training.calibration import calibration_error
from agents.lab.training.cost import encoding_cost, fusion_cost
from agents.lab.training.dataset import Dataset, simulate
from agents.lab.training.fitting import Progress, torch_threads
from agents.lab.training.metrics import ALL, SUBSETS
from schemas.decision import Tier
from schemas.modality import MODALITIES, Modality

Unit = Mapping[Modality, Encoding]
Distill = Callable[[Sequence[Unit]], list[Prediction]]


def evaluate_cascade(config: EvaluationConfig, progress: Progress) -> Section:
    """Accuracy, calibration, multiply-adds, time and memory of every tier and of the cascade."""
    card = json.loads(WEIGHTS.with_suffix(".json").read_text())
    recipe = card["recipe"]
    test = simulate(recipe["data_seed"], "test", recipe["test_units"], workers=config.workers)
    return compare(config, test, card["metrics"]["teacher"], progress)


def compare(
    config: EvaluationConfig, test: Dataset, teacher: dict[str, Any], progress: Progress
) -> Section:
    """The section, measured on `test`; `teacher` is what the model card says of it."""
    with torch_threads(config.threads):
        distiller = Distiller.load(threads=None)
        cascade = HierarchicalDistillation(distiller, Policy.load().criticality)
        units = _encode(distiller, test)
        ways: dict[str, Distill] = {
            tier.value: partial(distiller.distill, tier=tier) for tier in Tier
        }
        ways["cascade"] = cascade.distill
        found = {}
        for number, (name, distill) in enumerate(ways.items()):
            found[name] = _measure(distiller, distill, units, test, config.test_units)
            progress("cascade", number + 1, len(ways), float("nan"))
    return _section(distiller, found, teacher, len(test))


def _encode(distiller: Distiller, test: Dataset) -> list[Unit]:
    with torch.inference_mode():
        by_modality = {
            m: distiller.model.encode(m, test.features[m].double()).float().numpy()
            for m in MODALITIES
        }
    return [{m: by_modality[m][row] for m in MODALITIES} for row in range(len(test))]


def _measure(
    distiller: Distiller, distill: Distill, units: list[Unit], test: Dataset, enough: int
) -> dict[str, Any]:
    """All units with everything; the first `enough` with every subset."""
    whole = distill(units)
    ran = Counter(p.tier for p in whole)
    errors, right = [], {}
    some = test.rows(torch.arange(min(enough, len(test))))
    for shown in SUBSETS:
        said = distill([{m: unit[m] for m in shown} for unit in units[: len(some)]])
        errors.append(calibration_error(_tensors(said), some.targets))
        right["+".join(shown)] = _accuracy(said, some)
    return {
        "accuracy": _accuracy(whole, test),
        "by_subset": right,
        "calibration_error": {
            head.name: {"mean": mean(by_head), "worst": max(by_head)}
            for head, by_head in zip(HEADS, zip(*errors, strict=True), strict=True)
        },
        "multiply_adds": mean_cost(distiller.model, whole),
        "tiers": {tier.value: ran[tier] / len(whole) for tier in Tier},
        "microseconds": {
            "single": _time(distill, [[u] for u in units[:200]]),
            "of 64": _time(
                distill, [units[i : i + 64] for i in range(0, min(640, len(units)), 64)]
            ),
        },
    }


def mean_cost(model: HybridCrossModalDistiller, predictions: Sequence[Prediction]) -> float:
    """Returns the mean multiply-adds of predictions on all modalities.

    Where the cascade chose a tier above the classical one, that one ran, too.
    """
    encoding = encoding_cost(model, ALL)
    fusion = {tier: fusion_cost(model, tier) for tier in Tier}

    def cost(prediction: Prediction) -> int:
        first = prediction.selection is not None and prediction.tier is not Tier.CLASSICAL
        return encoding + fusion[prediction.tier] + (fusion[Tier.CLASSICAL] if first else 0)

    return mean(map(cost, predictions))


def _tensors(said: list[Prediction]) -> list[Tensor]:
    """Per head (N, size), as `heads.probabilities` gives them."""
    return [
        torch.tensor([[getattr(p, head.name)[c] for c in head.classes] for p in said])
        for head in HEADS
    ]


def _accuracy(said: list[Prediction], test: Dataset) -> dict[str, float]:
    return {
        head.name: float(
            (
                p.argmax(1) == target if head.exclusive else (p > 0.5) == (target > 0.5)
            ).double().mean()
        )
        for head, p, target in zip(HEADS, _tensors(said), test.targets, strict=True)
    }  # fmt: skip


def _time(distill: Distill, batches: list[list[Unit]]) -> float:
    """Median over the batches of the time that one of its units takes, in microseconds."""
    for batch in batches[:3]:
        distill(batch)
    times = []
    for batch in batches:
        started = time.perf_counter()
        distill(batch)
        times.append((time.perf_counter() - started) / len(batch))
    return 1e6 * median(times)


def _section(
    distiller: Distiller, found: dict[str, Any], teacher: dict[str, Any], units: int
) -> Section:
    rows = [
        [
            name,
            *(f"{100 * got['accuracy'][head]:.1f}" for head in ("routing", "quality", "reuse")),
            f"{got['multiply_adds']:,.0f}",
            f"{100 * (1 - got['multiply_adds'] / teacher['multiply_adds']):.0f}",
            f"{got['microseconds']['single']:.0f}",
            f"{got['microseconds']['of 64']:.0f}",
        ]
        for name, got in found.items()
    ]
    rows.append(
        [
            "teacher (model card)",
            *(f"{100 * teacher['accuracy'][head]:.1f}" for head in ("routing", "quality", "reuse")),
            f"{teacher['multiply_adds']:,}",
            "",
            "",
            "",
        ]
    )
    head = [
        "tier", "routing", "quality", "reuse", "multiply-adds", "fewer than teacher, %",
        "alone, µs", "of 64, µs",
    ]  # fmt: skip
    share = found["cascade"]["tiers"]
    calibrated = [
        [
            name,
            *(
                f"{got['calibration_error'][h.name]['mean']:.3f} / "
                f"{got['calibration_error'][h.name]['worst']:.3f}"
                for h in HEADS
            ),
        ]
        for name, got in found.items()
    ]
    weights = sum(p.numel() for p in distiller.model.parameters())
    text = [
        f"{units} units that neither training nor calibration met, with all six modalities. "
        "Multiply-adds include the encoders of all six, and for the cascade the classical tier, "
        "which always runs first; time is from encodings to probabilities, with one "
        f"thread in float64. Weights: {weights:,} numbers; a passage keeps "
        f"{4 * distiller.dim} bytes an observation.",
        table(head, rows),
        "The cascade ran "
        + ", ".join(f"{tier} for {100 * part:.1f} %" for tier, part in share.items())
        + " of the units.",
        "**Calibration**: expected calibration error over the 63 subsets, mean / worst.",
        table(["tier", *(h.name for h in HEADS)], calibrated),
    ]

    def draw(axes: Any) -> None:
        for name, got in found.items():
            by_size = [
                mean(v["routing"] for k, v in got["by_subset"].items() if k.count("+") == n)
                for n in range(6)
            ]
            axes.plot(range(1, 7), [100 * y for y in by_size], marker="o", markersize=3, label=name)
        axes.set_xlabel("modalities arrived")
        axes.set_ylabel("routing accuracy, %")
        axes.legend()

    plot = Plot("tiers", "Routing accuracy of the shipped tiers, mean over the sets.", draw)
    data = {**found, "teacher": teacher}
    return Section("cascade", "Tiers and cascade", "\n\n".join(text), data, [plot])
