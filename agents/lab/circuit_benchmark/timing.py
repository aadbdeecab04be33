"""Timing several ways of doing one thing against each other, on a machine that is not idle."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil
from statistics import quantiles
from time import perf_counter

SHORTEST = 2e-3
"""Seconds; what takes less is timed several times in a row, for the clock's sake."""

Progress = Callable[[int, int], None]
"""(rounds done, rounds)."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to do it."""

    call: Callable[[], object]
    units: int = 1
    """Of work in one call; times are per unit."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Microseconds per unit of work, over all rounds."""

    median: float
    low: float
    """The first quartile."""
    high: float
    """The third quartile."""


def race(
    ways: Mapping[str, Way], rounds: int, progress: Progress = lambda done, of: None
) -> dict[str, Timing]:
    """Time every way once a round, so that whatever else the machine does hits all alike.

    Each is called once before, which is not counted: caches fill and compilers compile.
    """
    in_a_row = {}
    for name, way in ways.items():
        way.call()
        start = perf_counter()
        way.call()
        in_a_row[name] = ceil(SHORTEST / max(perf_counter() - start, 1e-7))
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for done in range(rounds):
        progress(done, rounds)
        for name, way in ways.items():
            start = perf_counter()
            for _ in range(in_a_row[name]):
                way.call()
            seconds[name].append((perf_counter() - start) / in_a_row[name] / way.units)
    progress(rounds, rounds)
    return {name: _timing(found) for name, found in seconds.items()}


def _timing(seconds: list[float]) -> Timing:
    low, median, high = quantiles(seconds, n=4, method="inclusive")
    return Timing(1e6 * median, 1e6 * low, 1e6 * high)
