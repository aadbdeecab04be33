"""The circuit against its controls, in small: who is compared, and that the figures agree."""

from dataclasses import replace
from pathlib import Path
from statistics import mean

import pytest

from agents.distiller.attention import VARIANTS
from agents.distiller.heads import HEADS
from agents.lab.evaluation.config import EvaluationConfig
from agents.lab.evaluation.section import Section, paired, paired_cell
from agents.lab.evaluation.variants import HEADS_SHOWN, benchmark_hybrid_vs_classical
from agents.lab.evaluation.work import Jobs
from agents.lab.training.fitting import silent
from agents.lab.training.metrics import SUBSETS

from .conftest import Ledger

FEATURES = "hybrid + quantum features"
NAMES = [*VARIANTS, FEATURES]


def test_everyone_is_there_with_every_subset_head_and_seed(
    variants: Section, config: EvaluationConfig
) -> None:
    accuracy = variants.data["accuracy"]
    assert list(accuracy) == NAMES
    for found in accuracy.values():
        assert list(found) == ["+".join(shown) for shown in SUBSETS]
        assert len(found) == 63
        for heads in found.values():
            assert set(heads) == {head.name for head in HEADS}
            for by_seed in heads.values():
                assert len(by_seed) == config.seeds
                assert all(0 <= right <= 1 for right in by_seed)


def test_the_learning_rate_is_that_which_the_validation_units_prefer(
    variants: Section, config: EvaluationConfig, ledger: Ledger
) -> None:
    chosen, [trials, runs] = variants.data["learning_rates"], ledger.stages
    assert len(trials) == len(VARIANTS) * len(config.learning_rates)
    for variant in VARIANTS:
        tried = {run.learning_rate: score for run, score in trials if run.variant == variant}
        assert set(tried) == set(config.learning_rates)
        assert tried[chosen[variant]] == max(tried.values())
        assert f"{variant} {chosen[variant]:g}" in variants.text
    assert all((run.seed, run.epochs) == (0, config.epochs) for run, _ in trials)
    assert all(run.learning_rate == chosen[run.variant] for run, _ in runs)
    assert all(run.epochs == config.epochs for run, _ in runs)


def test_every_result_is_under_its_own_name(variants: Section, ledger: Ledger) -> None:
    for run, scores in ledger.stages[1]:
        found = variants.data["accuracy"][FEATURES if run.extractor else run.variant]
        for shown, heads in scores.items():
            for head, right in heads.items():
                assert found["+".join(shown)][head][run.seed] == right


@pytest.mark.parametrize("head", HEADS_SHOWN)
def test_sizes_and_pairs_follow_from_the_subsets(
    variants: Section, config: EvaluationConfig, head: str
) -> None:
    accuracy, by_size = variants.data["accuracy"], variants.data["by_size"]
    for name in NAMES:
        for size in range(1, 7):
            of_size = [v[head] for k, v in accuracy[name].items() if k.count("+") == size - 1]
            for seed in range(config.seeds):
                expected = mean(by_seed[seed] for by_seed in of_size)
                assert by_size[name][head][str(size)][seed] == pytest.approx(expected)
    assert list(variants.data["paired"]) == NAMES[1:]
    for other, found in variants.data["paired"].items():
        for size in map(str, range(1, 7)):
            both = by_size["hybrid"][head][size], by_size[other][head][size]
            assert found[head][size] == pytest.approx(paired(*both))
            row = next(
                line
                for line in variants.text.split(f"**{head.capitalize()}**")[1].splitlines()
                if line.startswith(f"| hybrid minus {other} (")
            )
            assert row.split(" | ")[int(size)].removesuffix(" |") == paired_cell(*both)


def test_what_each_modality_adds_and_the_best_set(variants: Section) -> None:
    routing = {
        shown: mean(heads["routing"])
        for shown, heads in variants.data["accuracy"]["hybrid"].items()
    }
    best = variants.text.split("**Best combination**")[1].splitlines()[4:]
    assert len(best) == 6
    for size, line in enumerate(best, 1):
        _, number, names, right, _ = (part.strip() for part in line.split("|"))
        shown = names.replace(" + ", "+")
        assert int(number) == size == len(shown.split("+"))
        top = max(v for k, v in routing.items() if k.count("+") == size - 1)
        assert routing[shown] == top
        assert right.startswith(f"{100 * top:.1f} ±")
    added = variants.text.split("**What each modality adds**")[1].split("**Best")[0]
    assert added.count("alone |") == 6
    assert added.count("| + ") == 5


def test_the_order_of_the_variants_does_not_matter(config: EvaluationConfig, folder: Path) -> None:
    small = replace(config, learning_rates=(3e-3,), seeds=1, units=config.pool_units)
    found = benchmark_hybrid_vs_classical(
        small, folder, Jobs(silent, None), ["concatenation", "hybrid"]
    )
    assert list(found.data["paired"]) == ["concatenation", FEATURES]
    assert "hybrid minus hybrid (" not in found.text
    assert "hybrid minus concatenation (" in found.text
