"""The front door: what is absent has no influence, one modality is enough, none is refused."""

from itertools import combinations

import pytest
import torch

from agents.distiller.dataset import Dataset
from agents.distiller.heads import HEADS, LOGITS
from agents.distiller.model import HybridCrossModalDistiller, MissingData, NoEvidence
from schemas.modality import MODALITIES, Modality


def test_shapes_of_a_batch(model: HybridCrossModalDistiller, units: Dataset) -> None:
    knowledge = model.distill_knowledge(units.features, MODALITIES)
    assert knowledge.logits.shape == (24, LOGITS)
    assert knowledge.readout.shape == (24, 30, 8)
    for head in HEADS:
        p = knowledge.probabilities[head.name]
        assert p.shape == (24, head.size)
        assert ((p >= 0) & (p <= 1)).all()
        if head.exclusive:
            torch.testing.assert_close(p.sum(1), torch.ones(24, dtype=torch.float64))


def test_a_single_unit_is_a_batch_of_one(model: HybridCrossModalDistiller, units: Dataset) -> None:
    one = model.distill_knowledge({m: x[0] for m, x in units.features.items()}, MODALITIES)
    many = model.distill_knowledge(units.features, MODALITIES)
    torch.testing.assert_close(one.logits[0], many.logits[0])


@pytest.mark.parametrize("modality", MODALITIES)
def test_one_modality_alone(
    model: HybridCrossModalDistiller, units: Dataset, modality: Modality
) -> None:
    knowledge = model.distill_knowledge({modality: units.features[modality]}, [modality])
    assert knowledge.logits.isfinite().all()
    assert not knowledge.readout.any()


def test_absent_modalities_have_no_influence(
    model: HybridCrossModalDistiller, units: Dataset
) -> None:
    """For every proper subset: other content, NaN or nothing at all give the same bits."""
    features = {m: x[:2] for m, x in units.features.items()}
    for size in range(1, len(MODALITIES)):
        for subset in combinations(MODALITIES, size):
            alone = model.distill_knowledge({m: features[m] for m in subset}, subset)
            nan = {
                m: x if m in subset else torch.full_like(x, torch.nan) for m, x in features.items()
            }
            assert torch.equal(model.distill_knowledge(nan, subset).logits, alone.logits)


def test_absence_by_row(model: HybridCrossModalDistiller, units: Dataset) -> None:
    """In a batch whose units miss different modalities, garbage stands where nothing came."""
    mask = torch.rand(24, 6, generator=torch.Generator().manual_seed(0)) < 0.5
    mask[:, 2] |= ~mask.any(1)
    garbage = {}
    for column, m in enumerate(model.modalities):
        garbage[m] = units.features[m].clone()
        garbage[m][~mask[:, column]] = torch.nan
    together = model.distill_knowledge(garbage, mask)
    for row in range(24):
        shown = [m for m, there in zip(model.modalities, mask[row].tolist(), strict=True) if there]
        alone = model.distill_knowledge({m: units.features[m][row] for m in shown}, shown)
        torch.testing.assert_close(together.logits[row], alone.logits[0], rtol=0, atol=1e-12)


def test_nothing_is_refused(model: HybridCrossModalDistiller, units: Dataset) -> None:
    with pytest.raises(NoEvidence):
        model.distill_knowledge(units.features, [])
    mask = torch.ones(24, 6, dtype=torch.bool)
    mask[7] = False
    with pytest.raises(NoEvidence):
        model.distill_knowledge(units.features, mask)


def test_available_without_data_is_refused(
    model: HybridCrossModalDistiller, units: Dataset
) -> None:
    with pytest.raises(MissingData, match="thermal"):
        model.distill_knowledge(
            {Modality.TEXT: units.features[Modality.TEXT]}, [Modality.TEXT, Modality.THERMAL]
        )


def test_features_of_a_wrong_shape_are_refused(model: HybridCrossModalDistiller) -> None:
    with pytest.raises(ValueError, match="battery features"):
        model.distill_knowledge({Modality.BATTERY: torch.zeros(2, 5)}, [Modality.BATTERY])


def test_gain_starts_at_a_tenth(model: HybridCrossModalDistiller) -> None:
    assert model.gain.item() == pytest.approx(0.1)
