"""Device models never met: who is held out, and that nothing was learnt of them."""

from dataclasses import replace

import pytest
import torch

from agents.lab.evaluation.config import EvaluationConfig
from agents.lab.evaluation.pool import Pool
from agents.lab.evaluation.section import Section
from agents.lab.evaluation.unseen import BASELINE, MET, NEVER, REFERENCE, TEACHERS, group, split
from agents.lab.simulator.models import MODELS

FOLDS = EvaluationConfig().folds


@pytest.mark.parametrize("folds", [4, 5, 6, 12])
def test_every_model_is_held_out_once(folds: int) -> None:
    config = EvaluationConfig(folds=folds)
    held_out = [number for fold in range(folds) for number in group(config, fold)]
    assert sorted(held_out) == list(range(len(MODELS)))


@pytest.mark.parametrize("fold", range(FOLDS))
def test_a_group_is_no_platform_and_most_stay(fold: int) -> None:
    for folds in (FOLDS, 1):
        held_out = group(EvaluationConfig(folds=folds), fold)
        assert len(held_out) == 3
        assert len({MODELS[number].platform.name for number in held_out}) == 3


@pytest.mark.parametrize("fold", range(FOLDS))
@pytest.mark.parametrize("unlabelled", [40, 1000], ids=["enough", "too few units"])
def test_nothing_is_learnt_or_chosen_on_models_held_out(
    config: EvaluationConfig, pool: Pool, fold: int, unlabelled: int
) -> None:
    config = replace(config, folds=FOLDS, unlabelled=unlabelled)
    rows, held_out = split(config, pool, fold), set(group(config, fold))
    for models, chosen in (
        (pool.train_models, rows.labelled),
        (pool.train_models, rows.met),
        (pool.validation_models, rows.validation),
    ):
        assert len(chosen) == len(chosen.unique()) > 0
        assert held_out.isdisjoint(models[chosen].tolist())
    assert set(pool.test_models[rows.test].tolist()) <= held_out
    assert held_out.isdisjoint(pool.test_models[rows.test_met].tolist())
    assert len(rows.test) + len(rows.test_met) == len(pool.test)

    # All of those that there are to choose on and to test on.
    others = [number not in held_out for number in pool.validation_models.tolist()]
    assert len(rows.validation) == sum(others)
    tested = [number in held_out for number in pool.test_models.tolist()]
    assert len(rows.test) == sum(tested) > 0

    # Labels are few; unlabelled records are other units, equally many of models met and of any.
    assert len(rows.labelled) == config.labelled
    assert len(rows.met) == len(rows.anyone) <= unlabelled
    assert not torch.isin(torch.cat((rows.met, rows.anyone)), rows.labelled).any()
    assert not held_out.isdisjoint(pool.train_models[rows.anyone].tolist())
    if unlabelled == 40:
        assert len(rows.met) == 40


def test_a_small_run_says_who_errs_how_much(unseen: Section, config: EvaluationConfig) -> None:
    [errors] = unseen.data["runs"]
    assert next(iter(errors)) == BASELINE
    assert f"distilled by a committee of {TEACHERS}" in errors
    assert len(errors) == 8
    assert all(0 <= e <= 1 for of_models in errors.values() for e in of_models.values())
    assert unseen.data["groups"] == ["Tern 13 Pro, Heron 14, Osprey 15"]
    assert unseen.data["groups"][0] in unseen.text
    tried = [way for way in errors if way not in (BASELINE, REFERENCE)]
    for key, models in (("reduction", NEVER), ("reduction_met", MET)):
        assert list(unseen.data[key]) == tried
        for way, less in unseen.data[key].items():
            assert less == pytest.approx(1 - errors[way][models] / errors[BASELINE][models])
            assert f" {100 * errors[way][models]:.1f} | {100 * less:.1f} |" in unseen.text
    # The first of several that err alike.
    assert unseen.data["best"] == max(tried, key=lambda way: unseen.data["reduction"][way])
    assert f"{unseen.data['best']}, errs" in unseen.text
