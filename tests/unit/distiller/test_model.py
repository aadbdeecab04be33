"""The front door: what is absent has no influence, one modality is enough, none is refused; and
every tier is the one below and its own circuits."""

from itertools import combinations

import pytest
import torch
from support.networks import M, encodings, masks, network, only
from torch import Tensor

from agents.distiller.heads import HEADS, LOGITS
from agents.distiller.model import HybridCrossModalDistiller, MissingData, NoEvidence
from agents.lab.training.dataset import Dataset
from schemas.decision import Tier
from schemas.modality import MODALITIES, Modality

TIERS = list(Tier)
B = 9


def test_shapes_of_a_batch(model: HybridCrossModalDistiller, units: Dataset) -> None:
    for tier in TIERS:
        knowledge = model.distill_knowledge(units.features, MODALITIES, tier)
        assert knowledge.tier is tier
        assert knowledge.logits.shape == (24, LOGITS)
        assert knowledge.mask.shape == (24, M)
        for head in HEADS:
            p = knowledge.probabilities[head.name]
            assert p.shape == (24, head.size)
            assert ((p >= 0) & (p <= 1)).all()
            if head.exclusive:
                torch.testing.assert_close(p.sum(1), torch.ones(24, dtype=torch.float64))
    assert model.distill_knowledge(units.features, MODALITIES).tier is Tier.LARGE


def test_a_single_unit_is_a_batch_of_one(model: HybridCrossModalDistiller, units: Dataset) -> None:
    one = model.distill_knowledge({m: x[0] for m, x in units.features.items()}, MODALITIES)
    many = model.distill_knowledge(units.features, MODALITIES)
    torch.testing.assert_close(one.logits[0], many.logits[0])


@pytest.mark.parametrize("modality", MODALITIES)
def test_one_modality_alone(
    model: HybridCrossModalDistiller, units: Dataset, modality: Modality
) -> None:
    """Enough for every tier; circuits of two and three have nothing to say."""
    features = {modality: units.features[modality]}
    said = {tier: model.distill_knowledge(features, [modality], tier).logits for tier in TIERS}
    assert all(logits.isfinite().all() for logits in said.values())
    assert torch.equal(said[Tier.MEDIUM], said[Tier.SMALL])
    assert not torch.equal(said[Tier.LARGE], said[Tier.MEDIUM])


@pytest.mark.parametrize("tier", [Tier.CLASSICAL, Tier.LARGE])
def test_absent_modalities_have_no_influence(
    model: HybridCrossModalDistiller, units: Dataset, tier: Tier
) -> None:
    """For every proper subset: other content, NaN or nothing at all give the same bits."""
    features = {m: x[:2] for m, x in units.features.items()}
    for size in range(1, len(MODALITIES)):
        for subset in combinations(MODALITIES, size):
            alone = model.distill_knowledge({m: features[m] for m in subset}, subset, tier)
            nan = {
                m: x if m in subset else torch.full_like(x, torch.nan) for m, x in features.items()
            }
            assert torch.equal(model.distill_knowledge(nan, subset, tier).logits, alone.logits)


def test_absence_by_row(model: HybridCrossModalDistiller, units: Dataset) -> None:
    """In a batch whose units miss different modalities, garbage stands where nothing came."""
    mask = masks(24)
    garbage = {}
    for column, m in enumerate(model.modalities):
        garbage[m] = units.features[m].clone()
        garbage[m][~mask[:, column]] = torch.nan
    together = model.distill_knowledge(garbage, mask)
    for row in range(24):
        shown = [m for m, there in zip(model.modalities, mask[row].tolist(), strict=True) if there]
        alone = model.distill_knowledge({m: units.features[m][row] for m in shown}, shown)
        torch.testing.assert_close(together.logits[row], alone.logits[0], rtol=0, atol=1e-12)


def test_a_tier_is_the_one_below_and_its_circuits() -> None:
    model, h, mask = network(), encodings(B), masks(B)
    h = torch.where(mask.unsqueeze(-1), h, 0.0)

    def gain(tier: Tier, z: Tensor) -> Tensor:
        weights = model.gains[tier]
        return weights.gain * z.flatten(1) @ weights.linear.weight.T

    attended, z = model.circuits[Tier.SMALL](h, mask)
    small = model.trunks[1](attended, mask) + gain(Tier.SMALL, z)
    medium = small + gain(Tier.MEDIUM, model.circuits[Tier.MEDIUM](h, mask))
    large = medium + gain(Tier.LARGE, model.circuits[Tier.LARGE](h, mask))
    expected = [model.trunks[0](h, mask), small, medium, large]
    for logits, tier in zip(expected, TIERS, strict=True):
        torch.testing.assert_close(model.fuse(h, mask, tier), logits)


@pytest.mark.parametrize("variant", ["hybrid", "classical-twin", "no-entanglement"])
def test_all_tiers_at_once_are_each_by_itself(variant: str) -> None:
    model, h, mask = network(variant=variant), encodings(B), masks(B)
    every = model.fuse_all(h, mask)
    for logits, tier in zip(every, TIERS, strict=True):
        assert torch.equal(model.fuse(h, mask, tier), logits)
    assert torch.equal(model.fuse(h, mask), every[-1])
    assert not any(torch.allclose(a, b) for a, b in combinations(every, 2))


@pytest.mark.parametrize("top", TIERS)
def test_tiers_that_were_not_built(top: Tier) -> None:
    model, h, mask = network(top=top), encodings(B), masks(B)
    built = TIERS[: TIERS.index(top) + 1]
    assert model.config.tiers == tuple(built)
    assert len(model.fuse_all(h, mask)) == len(built)
    assert torch.equal(model.fuse(h, mask), model.fuse(h, mask, top))
    assert list(model.circuits) == built[1:]
    for tier in TIERS[len(built) :]:
        with pytest.raises(KeyError, match=f"ends at tier {top}; it has no {tier}"):
            model.fuse(h, mask, tier)


def test_every_circuit_is_read_as_one_says() -> None:
    """A reader that says nothing leaves the attention even and the logits without a gain."""
    model, h, mask = network(), encodings(B), only(B, *range(M))
    seen: list[tuple[tuple[int, ...], tuple[int, ...]]] = []

    def silent(q: Tensor, k: Tensor, w: Tensor) -> Tensor:
        seen.append((tuple(q.shape), tuple(w.shape)))
        return torch.zeros_like(q)

    before = model.fuse_all(h, mask)
    model.run_on(silent)
    after = model.fuse_all(h, mask)
    assert seen == [
        ((B, 30, 4), (30, 2, 4, 2)),
        ((B, 20, 6), (20, 2, 6, 2)),
        ((B, 1, 5), (1, 2, 5, 2)),
    ]
    assert torch.equal(after[0], before[0])
    assert torch.equal(after[1], after[2])
    assert torch.equal(after[2], after[3])
    value = torch.einsum("bmd,mde->bme", h, model.circuits[Tier.SMALL].w_v)
    others = (value.sum(1, keepdim=True) - value) / (M - 1)
    torch.testing.assert_close(after[1], model.trunks[1](h + others, mask))


def test_what_distillation_hands_on_is_the_classical_hidden_layer() -> None:
    model, h, mask = network(), encodings(B), masks(B)
    trunk = model.trunks[0]
    features = model.features(h, mask)
    assert features.shape == (B, 16)
    torch.testing.assert_close(trunk.out(features), model.fuse(h, mask, Tier.CLASSICAL))
    h[~mask] = torch.nan
    assert torch.equal(model.features(h, mask), features)


def test_temperatures_are_those_of_the_tier_and_of_what_arrived() -> None:
    model, mask = network(), masks(B)
    logits = encodings(B, LOGITS)[:, 0]
    t = model.temperature
    assert t.shape == (4, 2**M, len(HEADS))
    t.copy_(1 + torch.arange(t.numel()).view_as(t) / 100)
    for number, tier in enumerate(TIERS):
        said = model.calibrated(logits, mask, tier)
        for row in range(B):
            own = t[number, sum(2**column for column in mask[row].nonzero().flatten().tolist())]
            torch.testing.assert_close(said[0][row], torch.softmax(logits[row, :4] / own[0], 0))
            torch.testing.assert_close(said[4][row], torch.sigmoid(logits[row, 20:] / own[4]))


def test_nothing_is_refused(model: HybridCrossModalDistiller, units: Dataset) -> None:
    with pytest.raises(NoEvidence):
        model.distill_knowledge(units.features, [])
    mask = torch.ones(24, 6, dtype=torch.bool)
    mask[7] = False
    for tier in TIERS:
        with pytest.raises(NoEvidence):
            model.distill_knowledge(units.features, mask, tier)


def test_available_without_data_is_refused(
    model: HybridCrossModalDistiller, units: Dataset
) -> None:
    features = {Modality.TEXT: units.features[Modality.TEXT]}
    with pytest.raises(MissingData, match="thermal"):
        model.distill_knowledge(features, [Modality.TEXT, Modality.THERMAL])
    with pytest.raises(MissingData, match="no encoder for smell"):
        model.distill_knowledge(features, [Modality.TEXT, "smell"])  # type: ignore[list-item]


def test_features_of_a_wrong_shape_are_refused(model: HybridCrossModalDistiller) -> None:
    with pytest.raises(ValueError, match="battery features"):
        model.distill_knowledge({Modality.BATTERY: torch.zeros(2, 5)}, [Modality.BATTERY])


def test_gains_start_at_a_tenth(model: HybridCrossModalDistiller) -> None:
    assert list(model.gains) == TIERS[1:]
    for gain in model.gains.values():
        assert gain.gain.item() == pytest.approx(0.1)
