"""Units in memory and on disk: disjoint parts, labels or none, and files that are refused."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from support.networks import masks
from torch import Tensor

from agents.distiller.files import WeightsError, read_tensors, write_tensors
from agents.distiller.heads import HEADS
from agents.lab.simulator import simulate_unit
from agents.lab.training.dataset import FIRST_INDEX, SHAPES, Dataset, simulate
from schemas.modality import Modality


@pytest.fixture(scope="module")
def some(units: Dataset) -> Dataset:
    """As a plant collects them: of each something arrived, every second has a label."""
    labelled = torch.arange(len(units)) % 2 == 0
    return Dataset(units.features, units.targets, masks(len(units)), labelled)


def tensors(data: Dataset) -> list[Tensor]:
    return [*data.features.values(), *data.targets, data.arrived, data.labelled]


def assert_same(one: Dataset, other: Dataset) -> None:
    assert list(one.features) == list(other.features)
    for a, b in zip(tensors(one), tensors(other), strict=True):
        assert a.dtype == b.dtype
        assert torch.equal(a, b)


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
    assert data.arrived.all()
    assert data.labelled.all()


def test_parts_are_disjoint() -> None:
    starts = sorted(FIRST_INDEX.values())
    assert all(b - a >= 1_000_000 for a, b in pairwise(starts))
    for wrong in (0, 1_000_001):
        with pytest.raises(ValueError, match="1,000,000"):
            simulate(1, "train", wrong)


def test_rows_by_number_and_by_choice(some: Dataset) -> None:
    picked = some.rows(torch.tensor([4, 1]))
    assert len(picked) == 2
    for whole, part in zip(tensors(some), tensors(picked), strict=True):
        assert torch.equal(part, torch.stack([whole[4], whole[1]]))
    assert_same(some.rows(some.labelled), some.rows(torch.arange(0, len(some), 2)))


def test_both_are_the_units_of_one_and_then_of_the_other(some: Dataset) -> None:
    front, back = some.rows(torch.arange(9)), some.rows(torch.arange(9, len(some)))
    assert_same(front + back, some)
    assert len(back + front + back) == 2 * len(back) + 9


def test_without_labels_all_else_stays(some: Dataset) -> None:
    bare = some.unlabelled()
    assert not bare.labelled.any()
    assert some.labelled.any(), "the original keeps them"
    assert_same(Dataset(bare.features, bare.targets, bare.arrived, some.labelled), some)


def test_a_file_gives_back_what_was_saved(some: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "units.safetensors"
    sha256 = some.save(path)
    assert_same(Dataset.load(path), some)
    assert Dataset.load(path).save(tmp_path / "again.safetensors") == sha256


@pytest.mark.parametrize("missing", ["features.thermal", "targets.reuse", "arrived", "labelled"])
def test_a_file_without_units_is_refused(some: Dataset, tmp_path: Path, missing: str) -> None:
    path = tmp_path / "units.safetensors"
    some.save(path)
    whole, header, _ = read_tensors(path)
    del whole[missing]
    write_tensors(path, whole, header)
    with pytest.raises(WeightsError, match=f"holds no units: '{missing}' is missing") as refused:
        Dataset.load(path)
    assert str(path) in str(refused.value)


def test_units_with_other_features_are_refused(some: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "units.safetensors"
    features = {**some.features, Modality.BATTERY: torch.zeros(len(some), 73)}
    Dataset(features, some.targets, some.arrived, some.labelled).save(path)
    with pytest.raises(WeightsError, match=r"battery features have shape .*73.*make it again"):
        Dataset.load(path)


def test_what_is_no_file_of_ours_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot read"):
        Dataset.load(tmp_path / "none")
    (tmp_path / "text").write_text("units, surely")
    with pytest.raises(WeightsError, match="not a Regrade safetensors file"):
        Dataset.load(tmp_path / "text")
