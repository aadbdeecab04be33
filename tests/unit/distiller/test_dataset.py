"""The training data: disjoint, independent of how the work is spread, and modality dropout."""

from itertools import pairwise

import pytest
import torch

from agents.distiller.dataset import FIRST_INDEX, SHAPES, simulate
from agents.distiller.dataset import draw_masks as draw
from agents.distiller.heads import HEADS
from agents.simulator import simulate_unit


def test_rows_are_the_units_of_the_simulator() -> None:
    data = simulate(5, "validation", 7)
    assert len(data) == 7
    for modality, features in data.features.items():
        assert features.shape == (7, *SHAPES[modality])
    truth = simulate_unit(5, FIRST_INDEX["validation"] + 3).labels
    for head, target in zip(HEADS, data.targets, strict=True):
        classes = list(head.classes)
        said = getattr(truth, head.name)
        if head.exclusive:
            assert classes[int(target[3])] == said
        else:
            assert target[3].tolist() == [said[c] for c in classes]


def test_parts_are_disjoint() -> None:
    starts = sorted(FIRST_INDEX.values())
    assert all(b - a >= 1_000_000 for a, b in pairwise(starts))
    with pytest.raises(ValueError, match="1,000,000"):
        simulate(1, "train", 1_000_001)


def test_modality_dropout_keeps_something_and_mixes_all_sizes() -> None:
    masks = draw(6_000, 0.4, torch.Generator().manual_seed(0))
    kept = torch.bincount(masks.sum(1), minlength=7) / 6_000
    assert kept[0] == 0
    torch.testing.assert_close(kept[1:6], torch.full((5,), 0.1), rtol=0, atol=0.02)
    assert kept[6] == pytest.approx(0.5, abs=0.02)
    alone = masks[masks.sum(1) == 1].sum(0) / (masks.sum(1) == 1).sum()
    torch.testing.assert_close(alone, torch.full((6,), 1 / 6), rtol=0, atol=0.05)
