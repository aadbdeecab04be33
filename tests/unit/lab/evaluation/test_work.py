"""Pieces of work: in order and counted, whatever runs them."""

from concurrent.futures import ThreadPoolExecutor
from math import isnan
from pathlib import Path
from threading import Event

import pytest

from agents.lab.evaluation.config import EvaluationConfig
from agents.lab.evaluation.work import Jobs, executor
from agents.lab.training.fitting import silent

CONFIG = EvaluationConfig(seeds=3)
HERE = Path("here")


def test_without_processes_work_is_done_here_one_after_the_other() -> None:
    seen: list[object] = []

    def progress(stage: str, done: int, total: int, loss: float) -> None:
        assert isnan(loss)
        seen.append((stage, done, total))

    def work(config: EvaluationConfig, folder: Path, piece: str) -> str:
        assert config is CONFIG
        assert folder is HERE
        seen.append(piece)
        return piece.upper()

    with executor(1) as nobody:
        assert nobody is None
        assert Jobs(progress, nobody).map("stage", work, CONFIG, HERE, ["a", "b"]) == ["A", "B"]
    assert seen == [("stage", 0, 2), "a", ("stage", 1, 2), "b", ("stage", 2, 2)]


def test_who_ends_first_does_not_come_first() -> None:
    last_is_done = Event()

    def work(config: EvaluationConfig, folder: Path, piece: int) -> int:
        if piece == 0:
            assert last_is_done.wait(60)
        if piece == 2:
            last_is_done.set()
        return 10 * piece

    counts: list[int] = []
    with ThreadPoolExecutor(3) as threads:
        jobs = Jobs(lambda stage, done, total, loss: counts.append(done), threads)
        assert jobs.map("stage", work, CONFIG, HERE, [0, 1, 2]) == [0, 10, 20]
    assert counts == [0, 1, 2, 3]


def test_processes_give_what_one_gives() -> None:
    """`slice` stands for the work: it keeps what it is given, and every process knows it."""
    pieces = list(range(5))
    with executor(2) as processes:
        found = Jobs(silent, processes).map("stage", slice, CONFIG, HERE, pieces)
    assert found == Jobs(silent, None).map("stage", slice, CONFIG, HERE, pieces)
    assert [one.step for one in found] == pieces
    assert all(one.start == CONFIG and one.start is not CONFIG for one in found), "came back"


def test_an_error_of_a_piece_is_the_callers() -> None:
    def work(config: EvaluationConfig, folder: Path, piece: int) -> float:
        return 1 / piece

    with pytest.raises(ZeroDivisionError):
        Jobs(silent, None).map("stage", work, CONFIG, HERE, [1, 0])
    assert Jobs(silent, None).map("stage", work, CONFIG, HERE, []) == []
