"""From scores to findings: the gap's arithmetic, the tables, and the whole in very small."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.real_data import wheels

from agents.lab.evaluation.config import EvaluationConfig
from agents.lab.evaluation.real import distilling, evaluate, single, variants
from agents.lab.evaluation.real.budget import Budget, Scarce
from agents.lab.evaluation.real.distilling import gap_closed


@pytest.mark.parametrize(
    ("alone", "distilled", "teacher", "closed"),
    [
        ([0.70, 0.72], [0.76, 0.78], [0.80, 0.82], 0.6),
        ([0.70, 0.72], [0.70, 0.72], [0.80, 0.82], 0.0),
        ([0.70, 0.72], [0.68, 0.70], [0.80, 0.82], -0.2),
        ([0.70, 0.72], [0.82, 0.84], [0.80, 0.82], 1.2),
        # No gap: the teacher is no better, or it is better by chance.
        ([0.70, 0.72], [0.80, 0.80], [0.70, 0.72], None),
        ([0.70, 0.72], [0.80, 0.80], [0.60, 0.62], None),
        ([0.70, 0.70], [0.80, 0.80], [0.70, 0.80], None),
    ],
)
def test_gap_closed(
    alone: list[float], distilled: list[float], teacher: list[float], closed: float | None
) -> None:
    found = gap_closed(alone, distilled, teacher)
    assert found["closed"] == (None if closed is None else pytest.approx(closed))
    assert found["gain"] == pytest.approx(sum(distilled) / 2 - sum(alone) / 2)


def test_encoders_are_judged_by_two_points() -> None:
    scores = [{"encoder": 0.90, "good": 0.91, "better": 0.93}] * 2
    text, data = single.describe({"part": scores})
    judged = {name: found["within"] for name, found in data["part"]["baselines"].items()}
    assert judged == {"good": True, "better": False}
    good, better = text.splitlines()[2:]
    assert good == "| part | good | 91.0 ± 0.0 | 90.0 ± 0.0 | -1.0 ± 0.0 | yes |"
    assert better.endswith("| -3.0 ± 0.0 | no |")


def test_variants_are_compared_seed_by_seed() -> None:
    results: variants.Results = {
        2: {
            "hybrid": [{"none": 0.8, "one": 0.6}, {"none": 0.9, "one": 0.7}],
            "concatenation": [{"none": 0.7, "one": 0.6}, {"none": 0.8, "one": 0.7}],
        }
    }
    text, data, _ = variants.describe(results, {2: {"hybrid": 1e-3, "concatenation": 1e-3}})
    gap = data["paired"][2]["concatenation"]
    assert gap["none"]["difference"] == pytest.approx(0.1)
    assert gap["none"]["standard_error"] == pytest.approx(0)
    assert gap["one"]["difference"] == pytest.approx(0)
    assert "| hybrid | 85.0 ± 7.1 |" in text
    assert "| hybrid minus concatenation (± s.e.) | +10.0 ± 0.0 |" in text


def test_a_gap_that_is_not_there_is_not_divided_by() -> None:
    by_missing = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]
    scores: distilling.Scores = {
        distilling.TEACHER: by_missing,
        distilling.ALONE: [0.9] * 6,
        distilling.ON_LABELLED: by_missing,
        distilling.DISTILLED: by_missing,
    }
    text, data, _ = distilling.describe({Scarce(100, 6): [scores, scores]})
    assert data["100 labels, 6 views"]["gap_closed"][distilling.DISTILLED]["half"]["closed"] is None
    assert "no gap" in text


def test_the_whole_in_very_small(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = Budget(
        tasks=("coffee, 15 to train on",),
        draws=1,
        views=(2,),
        variants=("hybrid", "concatenation"),
        learning_rates=(3e-3, 6e-3),
        steps=20,
        scarce=(Scarce(100, 3),),
        scarce_steps=20,
    )
    monkeypatch.setattr(Budget, "of", classmethod(lambda cls, config: tiny))
    monkeypatch.setattr(evaluate, "cache_folder", wheels)
    told: list[tuple[str, int, int]] = []

    def progress(stage: str, done: int, total: int, loss: float) -> None:
        told.append((stage, done, total))

    section = evaluate.evaluate_real(EvaluationConfig(seeds=2), progress)
    numbers: dict[str, Any] = json.loads(json.dumps(section.data))
    [encoder] = numbers["encoders"].values()
    assert len(encoder["encoder"]) == 2
    assert min(encoder["baselines"]["PLS-DA"]["accuracy"]) > 0.8
    two = numbers["variants"]["accuracy"]["2"]
    assert all(0.2 < s["none"] <= 1 for by_seed in two.values() for s in by_seed)
    assert set(numbers["variants"]["learning_rates"]["2"].values()) <= {3e-3, 6e-3}
    assert set(numbers["distilling"]["100 labels, 3 views"]["gap_closed"]) == {
        distilling.ON_LABELLED,
        distilling.DISTILLED,
    }
    assert {(stage, total) for stage, done, total in told if done == total} == {
        ("spectra and texts", 2), ("tuning on digits", 4), ("digits", 4), ("distilling digits", 2),
    }  # fmt: skip


def test_figures_can_be_drawn(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    score = {"none": 0.8, "one": 0.6}
    _, _, first = variants.describe({2: {"hybrid": [score]}, 3: {"hybrid": [score]}}, {})
    ways = (distilling.TEACHER, distilling.ALONE, distilling.ON_LABELLED, distilling.DISTILLED)
    _, _, second = distilling.describe({Scarce(100, 2): [{way: [0.9, 0.8] for way in ways}]})
    for plot, lines in ((first, 2), (second, 4)):
        axes = Figure().add_subplot()
        plot.draw(axes)
        assert len(axes.lines) == lines
