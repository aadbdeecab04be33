"""What is spent: the quick evaluation has every part, and seeds find the units they need."""

from dataclasses import fields
from pathlib import Path

import pytest

from agents.lab.evaluation.config import EvaluationConfig

FULL = EvaluationConfig()


SAME = {"workers", "data_seed", "threads", "generations"}
"""The quick evaluation has no less of these."""


def test_quick_spends_less_on_the_same_population() -> None:
    quick = EvaluationConfig.quick(workers=3, folder=Path("kept"))
    assert (quick.workers, quick.folder) == (3, Path("kept"))
    assert quick.is_quick
    assert not FULL.is_quick
    assert quick.data_seed == FULL.data_seed
    for field in fields(FULL):
        less, more = getattr(quick, field.name), getattr(FULL, field.name)
        if isinstance(more, int) and field.name not in SAME:
            assert 0 < less < more, field.name
    assert set(quick.learning_rates) <= set(FULL.learning_rates)
    assert quick.seeds > 1, "a deviation needs two"


@pytest.mark.parametrize(
    ("sizes", "units"),
    [
        # 5 seeds of 100 labelled units; 5 of 10 and 30 more without labels...
        ({"seeds": 5, "units": 100, "labelled": 10, "unlabelled": 30}, 500),
        # ...which may be what takes most...
        ({"seeds": 9, "units": 10, "labelled": 50, "unlabelled": 30}, 480),
        # ...or that 30 % of the units are of device models held out.
        ({"seeds": 2, "units": 100, "labelled": 10, "unlabelled": 340}, 500),
        ({"seeds": 1, "units": 72, "labelled": 20, "unlabelled": 30}, 72),
    ],
)
def test_the_pool_is_large_enough_for_all_seeds(sizes: dict[str, int], units: int) -> None:
    assert EvaluationConfig(**sizes).pool_units == units


@pytest.mark.parametrize("config", [FULL, EvaluationConfig.quick()], ids=["full", "quick"])
def test_no_seed_meets_a_unit_twice(config: EvaluationConfig) -> None:
    """The last seed's units end within the pool, so that none begins again at the first."""
    last = config.seeds - 1
    assert (last + 1) * config.units <= config.pool_units
    assert last * config.labelled + config.labelled + config.unlabelled <= config.pool_units
