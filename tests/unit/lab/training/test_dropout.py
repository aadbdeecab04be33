"""Modality dropout: something stays, of what arrived, in all sizes; the rich go more often."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.networks import only

from agents.lab.training.dropout import draw_masks
from schemas.modality import MODALITIES

M = len(MODALITIES)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


shares = st.floats(0, 1)
some = st.lists(st.lists(st.booleans(), min_size=M, max_size=M).filter(any), min_size=1, max_size=9)
abundances = st.none() | st.fixed_dictionaries(dict.fromkeys(MODALITIES, shares))


@settings(max_examples=150, deadline=None)
@given(some, shares, st.integers(0, 2**32), abundances)
def test_something_stays_of_what_arrived(rows, full, seed, abundance) -> None:
    arrived = torch.tensor(rows)
    masks = draw_masks(arrived, full, seeded(seed), abundance)
    assert masks.shape == arrived.shape
    assert masks.dtype == torch.bool
    assert masks.any(1).all()
    assert not (masks & ~arrived).any()
    assert torch.equal(draw_masks(arrived, full, seeded(seed), abundance), masks)
    assert torch.equal(draw_masks(arrived, 1.0, seeded(seed), abundance), arrived)


def test_a_random_number_of_zero_keeps_nothing_that_did_not_arrive() -> None:
    """As this seed draws one of a modality that did."""
    arrived = only(2_000, 3, 4, 5)
    assert torch.equal(draw_masks(arrived, 1.0, seeded(1688)), arrived)


def test_all_sizes_are_mixed() -> None:
    masks = draw_masks(only(6_000, *range(M)), 0.4, seeded())
    kept = torch.bincount(masks.sum(1), minlength=7) / 6_000
    assert kept[0] == 0
    torch.testing.assert_close(kept[1:6], torch.full((5,), 0.1), rtol=0, atol=0.02)
    assert kept[6] == pytest.approx(0.5, abs=0.02)
    alone = masks[masks.sum(1) == 1].sum(0) / (masks.sum(1) == 1).sum()
    torch.testing.assert_close(alone, torch.full((6,), 1 / 6), rtol=0, atol=0.05)


def test_sizes_follow_what_arrived() -> None:
    masks = draw_masks(only(6_000, 0, 1, 4), 0.0, seeded())
    kept = torch.bincount(masks.sum(1), minlength=4) / 6_000
    torch.testing.assert_close(kept[1:], torch.full((3,), 1 / 3), rtol=0, atol=0.03)


@pytest.mark.parametrize(("rich", "poor"), [(0.8, 0.2), (1.0, 0.05), (0.5, 0.5)])
def test_the_rich_one_of_two_stays_with_the_share_of_the_poor(rich: float, poor: float) -> None:
    """Weights are one over the abundance: of two the rich one stays with poor / (rich + poor)."""
    abundance = dict.fromkeys(MODALITIES, 0.3) | {MODALITIES[1]: rich, MODALITIES[4]: poor}
    masks = draw_masks(only(6_000, 1, 4), 0.0, seeded(), abundance)
    one = masks[masks.sum(1) == 1]
    share = one[:, 1].double().mean().item()
    assert share == pytest.approx(poor / (rich + poor), abs=0.03)


def test_equal_abundance_is_none() -> None:
    arrived, even = only(500, 0, 2, 3, 5), dict.fromkeys(MODALITIES, 0.5)
    assert torch.equal(draw_masks(arrived, 0.2, seeded(), even), draw_masks(arrived, 0.2, seeded()))
