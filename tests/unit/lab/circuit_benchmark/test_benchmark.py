"""The benchmark measures what agrees, and says so."""

from time import sleep

import pytest
import torch
from support.circuits import expectations  # noqa: F401 - PennyLane, quietly, before the benchmark

from agents.lab.circuit_benchmark.benchmark import Disagreement, benchmark, differences_of  # isort: skip
from agents.lab.circuit_benchmark.timing import SHORTEST, Way, race  # isort: skip


def test_every_way_is_measured_and_agrees() -> None:
    told = []
    report = benchmark(3, 1, batch=4, rounds=2, progress=lambda *at: told.append(at))
    assert set(report.inference) == {
        "article", "article, numpy", "broadcast", "lightning", "torch float32",
        "compiled float64", "compiled float32",
    }  # fmt: skip
    assert set(report.training) == {"backprop", "torch float32", "exact float32"}
    for timing in (*report.inference.values(), *report.training.values()):
        assert 0 < timing.low <= timing.median <= timing.high
    assert set(report.differences["inference"]) == set(report.inference) - {"broadcast"}
    assert set(report.differences["training"]) == set(report.training) - {"backprop"}
    assert report.differences["inference"]["compiled float64"] < 1e-12
    median = report.inference["compiled float32"].median
    assert report.over_article == report.inference["article"].median / median
    assert report.over_broadcast == report.inference["broadcast"].median / median
    assert told == [(0, 4), (1, 4), (2, 4), (2, 4), (3, 4), (4, 4)]


def test_ways_that_differ_have_no_times() -> None:
    ways = {"right": Way(lambda: torch.zeros(4)), "wrong": Way(lambda: torch.full((2,), 0.5))}
    with pytest.raises(Disagreement, match=r"wrong differs by 0.5 from right"):
        differences_of(ways, "right", lambda z: z)
    ways["wrong"] = Way(lambda: torch.full((2,), torch.nan))
    with pytest.raises(Disagreement, match="wrong differs by nan"):
        differences_of(ways, "right", lambda z: z)
    ways["wrong"] = Way(lambda: torch.full((2,), 1e-6))
    assert differences_of(ways, "right", lambda z: z) == {"wrong": pytest.approx(1e-6)}


def test_ways_take_turns() -> None:
    turns: list[str] = []

    def way(name: str) -> Way:
        def call() -> None:
            turns.append(name)
            sleep(2 * SHORTEST)

        return Way(call)

    race({"a": way("a"), "b": way("b")}, rounds=3)
    assert turns[4:] == ["a", "b"] * 3
