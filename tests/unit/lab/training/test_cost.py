"""Multiply-adds, counted by hand for a network that is small enough."""

from itertools import pairwise

import pytest
from support.networks import network

from agents.lab.training.cost import circuit_cost, encoding_cost, fusion_cost, multiply_adds
from schemas.decision import Tier
from schemas.modality import MODALITIES, Modality

QUBITS = {Tier.SMALL: 2, Tier.MEDIUM: 3, Tier.LARGE: 2}
TINY = {"dim": 4, "width": 1 / 16, "hidden": 2, "qubits": QUBITS}
"""Two channels in every convolution, four hidden units in every encoder's perceptron."""


@pytest.mark.parametrize(
    ("modality", "expected"),
    [
        # 3 features to 4 units to 4 dimensions.
        (Modality.TEXT, 3 * 4 + 4 * 4),
        (Modality.BATTERY, 5 * 4 + 4 * 4),
        # 8 points, then 4 of 2 channels with 7 taps, then 2 of 2 with 5 of each, then a matrix.
        (Modality.SPECTRAL, 4 * 2 * 7 + 2 * 2 * 2 * 5 + 2 * 2 * 4),
        (Modality.ACOUSTIC, 4 * 2 * 2 * 7 + 2 * 2 * 2 * 5 + 2 * 2 * 4),
        # 4 by 4 pixels, then 2 by 2, then 1, then 1, of 2 channels, 3 by 3 taps each.
        (Modality.VISUAL, 4 * 2 * 9 + 2 * 2 * 9 + 2 * 2 * 9 + 2 * 4),
        (Modality.THERMAL, 4 * 2 * 2 * 9 + 2 * 2 * 9 + 2 * 2 * 9 + 2 * 4),
    ],
)
def test_encoders_by_hand(modality: Modality, expected: int) -> None:
    assert encoding_cost(network(**TINY), [modality]) == expected


TRUNK = (6 * 4 + 6) * 2 + 2 * 26
PAIRS = 2 * 6 * 4 * 2 + 6 * 4 * 4 + 30 * 2 * 75 + TRUNK + 60 * 26
"""Queries and keys, values, circuits, perceptron, and the map of the readout to the logits."""
TRIPLES = 2 * 6 * 4 * 1 + 20 * 3 * 75 + 60 * 26
FINAL = 2 * 6 * 4 * 2 + 2 * 75 + 2 * 26


@pytest.mark.parametrize(
    ("tier", "expected"),
    [
        (Tier.CLASSICAL, TRUNK),
        (Tier.SMALL, PAIRS),
        (Tier.MEDIUM, PAIRS + TRIPLES),
        (Tier.LARGE, PAIRS + TRIPLES + FINAL),
    ],
)
def test_tiers_by_hand(tier: Tier, expected: int) -> None:
    assert fusion_cost(network(**TINY), tier) == expected
    whole = expected + encoding_cost(network(**TINY), MODALITIES)
    assert multiply_adds(network(**TINY), MODALITIES, tier) == whole


def test_the_highest_tier_is_meant_where_none_is_named() -> None:
    model = network(top=Tier.MEDIUM)
    assert multiply_adds(model, MODALITIES) == multiply_adds(model, MODALITIES, Tier.MEDIUM)


def test_more_tiers_and_more_modalities_cost_more() -> None:
    model = network()
    by_tier = [multiply_adds(model, MODALITIES, tier) for tier in Tier]
    by_number = [multiply_adds(model, MODALITIES[:n]) for n in range(1, len(MODALITIES) + 1)]
    for costs in (by_tier, by_number):
        assert all(low < high for low, high in pairwise(costs))


@pytest.mark.parametrize(("layers", "each"), [(1, 12 + 40), (2, 75), (3, 416 + 40)])
def test_circuits_of_other_depths(layers: int, each: int) -> None:
    """Two products for each of the 6 or 208 terms a qubit; two layers have a closed form."""
    assert circuit_cost(8, layers) == 8 * each
