"""The simulated units of an evaluation: made once, shared by its parts and processes."""

import hashlib
from dataclasses import dataclass
from functools import cache, lru_cache
from math import nan
from pathlib import Path

import torch
from torch import Tensor

from agents.lab.evaluation.config import EvaluationConfig
from agents.lab.simulator import simulate_unit
from agents.lab.simulator.models import MODELS
from agents.lab.training.dataset import FIRST_INDEX, Dataset, Part, simulate
from agents.lab.training.fitting import Progress


@dataclass(frozen=True, slots=True)
class Pool:
    """Units to train on, to tune on and to test on; never the same."""

    train: Dataset
    validation: Dataset
    test: Dataset
    train_models: Tensor
    """int64 (N,): the number of each unit's device model."""
    validation_models: Tensor
    test_models: Tensor

    def slice(self, start: int, count: int) -> Dataset:
        """Training units start .. start + count - 1, from the beginning again after the last."""
        return self.train.rows(torch.arange(start, start + count) % len(self.train))


def make_pool(config: EvaluationConfig, folder: Path, progress: Progress) -> None:
    """Simulate what is not in `folder` yet."""
    sizes = _sizes(config)
    done = 0
    for part, units in sizes.items():
        path = _path(folder, config, part)
        if not path.exists():

            def simulated(units_done: int, before: int = done) -> None:
                progress("simulating", before + units_done, sum(sizes.values()), nan)

            data = simulate(
                config.data_seed, part, units, workers=config.workers, progress=simulated
            )
            data.save(path)
        done += units


@lru_cache(maxsize=1)
def load_pool(config: EvaluationConfig, folder: Path) -> Pool:
    """What `make_pool` made; kept by the process."""
    train, validation, test = (Dataset.load(_path(folder, config, p)) for p in _sizes(config))
    return Pool(
        train,
        validation,
        test,
        _models(config, "train", len(train)),
        _models(config, "validation", len(validation)),
        _models(config, "test", len(test)),
    )


def _sizes(config: EvaluationConfig) -> dict[Part, int]:
    return {
        "train": config.pool_units,
        "validation": config.validation_units,
        "test": config.test_units,
    }


def _path(folder: Path, config: EvaluationConfig, part: Part) -> Path:
    key = f"{config.data_seed}-{part}-{_sizes(config)[part]}-{_first_unit(config.data_seed, part)}"
    return folder / f"{part}-{hashlib.sha256(key.encode()).hexdigest()[:12]}.safetensors"


@cache
def _first_unit(data_seed: int, part: Part) -> str:
    """A digest: what another simulator, or other features, left in the folder are other units."""
    digest = hashlib.sha256()
    for features in simulate(data_seed, part, 1).features.values():
        digest.update(features.numpy().tobytes())
    return digest.hexdigest()


def _models(config: EvaluationConfig, part: Part, units: int) -> Tensor:
    """Which device model each unit is of; only the causes are drawn, nothing is measured."""
    first = FIRST_INDEX[part]
    found = [
        MODELS.index(simulate_unit(config.data_seed, index).latents.model)
        for index in range(first, first + units)
    ]
    return torch.tensor(found)
