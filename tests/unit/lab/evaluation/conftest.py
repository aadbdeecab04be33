"""One small pool of units, and every part of an evaluation of it, each made once."""

import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import pytest

from agents.distiller.files import WEIGHTS
from agents.lab.evaluation.cascade import compare
from agents.lab.evaluation.config import EvaluationConfig
from agents.lab.evaluation.distilling import evaluate_distilling
from agents.lab.evaluation.pool import Pool, load_pool, make_pool
from agents.lab.evaluation.section import Section
from agents.lab.evaluation.unseen import evaluate_unseen
from agents.lab.evaluation.variants import benchmark_hybrid_vs_classical
from agents.lab.evaluation.work import Jobs
from agents.lab.training.fitting import silent


class Ledger(Executor):
    """Works here and now, and keeps each piece of work beside its result."""

    def __init__(self) -> None:
        self.stages: list[list[tuple[Any, Any]]] = []

    def map(self, fn: Callable[..., Any], *iterables: Iterable[Any], **_: Any) -> Iterator[Any]:
        self.stages.append([(piece, fn(piece)) for (piece,) in zip(*iterables, strict=True)])
        return iter([result for _, result in self.stages[-1]])


@pytest.fixture(scope="session")
def config() -> EvaluationConfig:
    return EvaluationConfig(
        seeds=2,
        units=50,
        epochs=1,
        learning_rates=(1e-3, 1e-2),
        labelled=40,
        unlabelled=40,
        scarce_epochs=2,
        distilling_epochs=1,
        folds=1,
        validation_units=40,
        test_units=30,
        workers=1,
    )


@pytest.fixture(scope="session")
def folder(config: EvaluationConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the pool lies."""
    made = tmp_path_factory.mktemp("pool")
    make_pool(config, made, silent)
    return made


@pytest.fixture(scope="session")
def pool(config: EvaluationConfig, folder: Path) -> Pool:
    return load_pool(config, folder)


@pytest.fixture(scope="session")
def ledger() -> Ledger:
    """What was worked on for `variants`."""
    return Ledger()


@pytest.fixture(scope="session")
def variants(config: EvaluationConfig, folder: Path, ledger: Ledger) -> Section:
    return benchmark_hybrid_vs_classical(config, folder, Jobs(silent, ledger))


@pytest.fixture(scope="session")
def distilling(config: EvaluationConfig, folder: Path) -> Section:
    return evaluate_distilling(config, folder, Jobs(silent, None))


@pytest.fixture(scope="session")
def unseen(config: EvaluationConfig, folder: Path) -> Section:
    return evaluate_unseen(config, folder, Jobs(silent, None))


@pytest.fixture(scope="session")
def card() -> dict[str, Any]:
    """Of the weights that ship."""
    found: dict[str, Any] = json.loads(WEIGHTS.with_suffix(".json").read_text())
    return found


@pytest.fixture(scope="session")
def cascade(config: EvaluationConfig, pool: Pool, card: dict[str, Any]) -> Section:
    return compare(config, pool.test, card["metrics"]["teacher"], silent)
