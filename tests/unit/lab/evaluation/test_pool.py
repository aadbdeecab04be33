"""The units of an evaluation: made once, shared out, never the same for training and test."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from agents.extract.kinds import KINDS
from agents.lab.evaluation import pool as pool_module
from agents.lab.evaluation.config import EvaluationConfig
from agents.lab.evaluation.pool import Pool, load_pool, make_pool
from agents.lab.simulator import MODELS, simulate_unit
from agents.lab.training.dataset import FIRST_INDEX, Dataset, simulate
from agents.lab.training.fitting import silent
from schemas.modality import Modality


def rows_in(pool: Pool, data: Dataset) -> list[int]:
    """Where in the pool's training units those of `data` stand: a spectrum is like no other."""
    whole, some = pool.train.features[Modality.SPECTRAL], data.features[Modality.SPECTRAL]
    same = (whole.flatten(1) == some.flatten(1).unsqueeze(1)).all(2)  # (N of data, N of the pool)
    assert (same.sum(1) == 1).all()
    return same.int().argmax(1).tolist()


def test_the_parts_are_the_simulators(config: EvaluationConfig, pool: Pool) -> None:
    assert len(pool.train) == config.pool_units == 120
    assert len(pool.validation) == config.validation_units
    assert len(pool.test) == config.test_units
    again = simulate(config.data_seed, "test", 5)
    for modality, features in again.features.items():
        assert torch.equal(pool.test.features[modality][:5], features)


@pytest.mark.parametrize(
    ("start", "count", "expected"),
    [
        (0, 3, [0, 1, 2]),
        (117, 3, [117, 118, 119]),
        (118, 4, [118, 119, 0, 1]),
        (120, 2, [0, 1]),
        (250, 2, [10, 11]),
    ],
)
def test_slices_begin_again_after_the_last_unit(
    pool: Pool, start: int, count: int, expected: list[int]
) -> None:
    assert rows_in(pool, pool.slice(start, count)) == expected


@pytest.mark.parametrize("size", ["units", "labelled"])
def test_no_two_seeds_learn_from_the_labels_of_one_unit(
    config: EvaluationConfig, pool: Pool, size: str
) -> None:
    count = getattr(config, size)
    first, second = (rows_in(pool, pool.slice(seed * count, count)) for seed in range(2))
    assert len({*first, *second}) == 2 * count


def test_device_models_are_those_of_the_units(config: EvaluationConfig, pool: Pool) -> None:
    assert len(pool.train_models) == len(pool.train)
    for part, models in (
        ("train", pool.train_models),
        ("validation", pool.validation_models),
        ("test", pool.test_models),
    ):
        for row in (0, 17, len(models) - 1):
            unit = simulate_unit(config.data_seed, FIRST_INDEX[part] + row)
            assert MODELS[int(models[row])] == unit.latents.model
    assert len(pool.train_models.unique()) > 6, "these units are of all sorts"


Told = list[tuple[str, int, int]]


def told(to: Told) -> Callable[[str, int, int, float], None]:
    return lambda stage, done, total, loss: to.append((stage, done, total))


def test_what_is_there_is_not_simulated_again(config: EvaluationConfig, tmp_path: Path) -> None:
    small = replace(config, seeds=1, units=6, labelled=2, unlabelled=2, validation_units=3)
    small = replace(small, test_units=2)
    first: Told = []
    make_pool(small, tmp_path, told(first))
    assert first == [("simulating", 6, 11), ("simulating", 9, 11), ("simulating", 11, 11)]
    files = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert len(files) == 3

    again: Told = []
    make_pool(small, tmp_path, told(again))
    assert again == []
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == files

    # Another size or another population is another file; the rest stays.
    make_pool(replace(small, test_units=3), tmp_path, told(again))
    assert again == [("simulating", 12, 12)]
    assert len(load_pool(replace(small, test_units=3), tmp_path).test) == 3
    make_pool(replace(small, data_seed=1), tmp_path, told(again))
    assert len(list(tmp_path.iterdir())) == 7
    assert len(load_pool(small, tmp_path).test) == 2


def test_units_of_another_simulator_are_not_taken_for_these(
    config: EvaluationConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = {"units": 2, "labelled": 1, "unlabelled": 1, "validation_units": 1, "test_units": 1}
    small = replace(config, seeds=1, **sizes)
    make_pool(small, tmp_path, silent)
    before = set(tmp_path.iterdir())
    batch = KINDS["battery"].batch
    brighter = replace(KINDS["battery"], batch=lambda payloads: batch(payloads) + 1)
    monkeypatch.setitem(KINDS, "battery", brighter)
    pool_module._first_unit.cache_clear()
    try:
        make_pool(small, tmp_path, silent)
    finally:
        pool_module._first_unit.cache_clear()
    assert len(set(tmp_path.iterdir()) - before) == 3
