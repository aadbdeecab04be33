"""Splits: nothing twice, as many of each class everywhere, the same for the same seed."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from agents.lab.evaluation.real.split import stratified

LABELS = torch.arange(5).repeat_interleave(12)


@given(st.lists(st.integers(0, 4), max_size=3), st.integers(0, 2**31))
def test_parts_are_disjoint_stratified_and_repeatable(each: list[int], seed: int) -> None:
    parts = stratified(LABELS, [5 * size for size in each], seed)
    assert [len(part) for part in parts] == [*(5 * size for size in each), 60 - 5 * sum(each)]
    assert torch.cat(parts).sort().values.tolist() == list(range(60))
    for part in parts:
        assert len(set(LABELS[part].bincount(minlength=5).tolist())) == 1
    again = stratified(LABELS, [5 * size for size in each], seed)
    assert all(torch.equal(a, b) for a, b in zip(parts, again, strict=True))


def test_seeds_differ() -> None:
    a, b = (set(stratified(LABELS, [10], seed)[0].tolist()) for seed in (1, 2))
    assert a != b


@pytest.mark.parametrize("sizes", [[7], [65], [30, 35]])
def test_impossible_sizes_are_refused(sizes: list[int]) -> None:
    with pytest.raises(ValueError, match="must be multiples of 5, 60 at most"):
        stratified(LABELS, sizes, 1)
