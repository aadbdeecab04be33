"""Independent pieces of an evaluation, spread over processes; results never depend on how."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from math import nan
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from agents.lab.evaluation.config import EvaluationConfig
from agents.lab.training.fitting import Progress

Piece = TypeVar("Piece")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Jobs:
    """Runs pieces of work and tells how far it is."""

    progress: Progress
    executor: Executor | None

    def map(
        self,
        stage: str,
        work: Callable[[EvaluationConfig, Path, Piece], Result],
        config: EvaluationConfig,
        folder: Path,
        pieces: Sequence[Piece],
    ) -> list[Result]:
        """`work(config, folder, piece)` of every piece, in order."""
        run = partial(work, config, folder)
        results = []
        self.progress(stage, 0, len(pieces), nan)
        found = self.executor.map(run, pieces) if self.executor else map(run, pieces)
        for done, result in enumerate(found, 1):
            results.append(result)
            self.progress(stage, done, len(pieces), nan)
        return results


def executor(workers: int) -> AbstractContextManager[Executor | None]:
    """Processes that start afresh, so that torch's threads do not meet a fork; None for one."""
    if workers == 1:
        return nullcontext()
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
