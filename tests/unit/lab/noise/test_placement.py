"""Placement: no other choice of disjoint places costs less."""

from itertools import combinations, pairwise, product

import numpy as np
import pytest

from agents.lab.noise.device import DEVICE
from agents.lab.noise.placement import Place, cost, place, predicted_errors


@pytest.mark.parametrize(("n", "copies"), [(3, 1), (8, 1), (8, 2), (4, 3), (7, 3)])
@pytest.mark.parametrize("seed", range(3))
def test_is_the_best_of_all(n: int, copies: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    importance = generator.dirichlet(np.full(n, 0.3)).tolist()
    device = DEVICE.drifted(generator)
    chosen = place(device, importance, 2, copies)
    starts = sorted(p.start for p in chosen)
    assert all(b - a >= n for a, b in pairwise(starts))
    costs = {
        p: cost(device, p, importance, 2)
        for p in (Place(s, r) for s, r in product(range(len(device) - n + 1), (False, True)))
    }
    best = {s: min(costs[Place(s)], costs[Place(s, True)]) for s in range(len(device) - n + 1)}
    least = min(
        sum(best[s] for s in some)
        for some in combinations(best, copies)
        if all(b - a >= n for a, b in pairwise(some))
    )
    assert sum(costs[p] for p in chosen) == pytest.approx(least)
    assert [costs[p] for p in chosen] == sorted(costs[p] for p in chosen)


@pytest.mark.parametrize("wire", [0, 2])
def test_an_important_value_gets_a_qubit_that_is_read_well(wire: int) -> None:
    importance = [0.0, 0.0, 0.0]
    importance[wire] = 1.0
    (chosen,) = place(DEVICE, importance, 1)
    every = [
        predicted_errors(DEVICE.segment(s, 3, reverse=r), 1)[wire]
        for s, r in product(range(len(DEVICE) - 2), (False, True))
    ]
    segment = DEVICE.segment(chosen.start, 3, reverse=chosen.reverse)
    assert predicted_errors(segment, 1)[wire] == min(every)


def test_more_copies_than_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        place(DEVICE, [1.0] * 8, 2, copies=3)
