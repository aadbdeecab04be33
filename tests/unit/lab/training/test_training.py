"""Training from a recipe: reproducible, resumable, and honest about what it wrote."""

import json
from dataclasses import replace
from hashlib import sha256
from math import isnan
from pathlib import Path

import pytest
import torch

from agents.distiller.distiller import Distiller
from agents.distiller.files import WEIGHTS, WeightsError, load_model, read_tensors, write_tensors
from agents.lab.training.checkpoint import check_recipe
from agents.lab.training.cost import multiply_adds
from agents.lab.training.dataset import Dataset, simulate
from agents.lab.training.distillation import AsymmetricDistillationTrainer
from agents.lab.training.fitting import build
from agents.lab.training.training import (
    STAGES,
    TrainConfig,
    TrainResult,
    fit_student,
    fit_teacher,
    train,
)
from schemas.decision import Tier
from schemas.modality import MODALITIES

TINY = TrainConfig(
    train_units=24, unlabelled_units=16, validation_units=6, test_units=6, batch=10,
    epochs=2, teacher_epochs=2, circuit_epochs=2, width=0.25, teacher_width=0.25,
    workers=1, threads=1, weights=Path("not-written"),
)  # fmt: skip
Step = tuple[str, int, int, float]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainResult, list[Step]]:
    """One whole training, and all that its progress said."""
    steps: list[Step] = []
    weights = tmp_path_factory.mktemp("trained") / "tiny.safetensors"
    return train(replace(TINY, weights=weights), lambda *step: steps.append(step)), steps


class Killed(Exception):
    """What the test does to the training."""


def test_same_recipe_same_bytes_even_if_it_was_interrupted(
    trained: tuple[TrainResult, list[Step]], tmp_path: Path
) -> None:
    first, _ = trained
    torch.rand(3)  # the global generator's state must not matter
    threads, state = torch.get_num_threads(), torch.get_rng_state()

    def kill(stage: str, done: int, total: int, loss: float) -> None:
        if stage == "circuits" and done == total:  # within the last epoch of all
            raise Killed

    again = replace(TINY, weights=tmp_path / "again.safetensors", checkpoint=tmp_path / "run")
    with pytest.raises(Killed):
        train(again, kill)
    assert not again.weights.exists()
    for stage in STAGES:
        check_recipe(tmp_path / f"run.{stage}", TINY.recipe())

    seen: list[str] = []
    second = train(replace(again, resume=True), lambda stage, *_: seen.append(stage))
    assert first.sha256 == second.sha256
    assert first.sha256 == sha256(first.weights.read_bytes()).hexdigest()
    assert first.metrics == second.metrics
    assert first.losses == second.losses
    assert set(seen) == {"simulating", "circuits"}, "stages that were done are not done again"
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


def test_progress_tells_of_every_stage(trained: tuple[TrainResult, list[Step]]) -> None:
    _, steps = trained
    last = {stage: (done, total) for stage, done, total, _ in steps}
    assert last == {
        "simulating": (52, 52),
        "teacher": (6, 6),  # 24 labelled in batches of 10, twice
        "student": (8, 8),  # all 40
        "circuits": (8, 8),
    }
    assert all(isnan(loss) is (stage == "simulating") for stage, _, _, loss in steps)


def test_the_card_says_what_was_made(trained: tuple[TrainResult, list[Step]]) -> None:
    result, _ = trained
    card = json.loads(result.card.read_text())
    model, _ = load_model(result.weights)
    assert result.card == result.weights.with_suffix(".json")
    assert card["sha256"] == result.sha256
    assert card["recipe"] == TINY.recipe()
    assert card["features"] == dict(Distiller.load(result.weights, threads=None).fingerprints)
    assert card["data"]["index_ranges"]["train"][0] == 0
    assert card["tiers"] == list(Tier)
    assert card["parameters"]["total"] == sum(p.numel() for p in model.parameters())
    assert {stage: len(losses) for stage, losses in card["loss_by_epoch"].items()} == dict.fromkeys(
        STAGES, 2
    )
    metrics = card["metrics"]
    assert metrics == result.metrics
    assert set(metrics["single"]) == set(MODALITIES)
    assert len(metrics["cumulative"]) == 6
    for tier in Tier:
        assert metrics["tiers"][tier]["multiply_adds"] == multiply_adds(model, MODALITIES, tier)
        assert set(metrics["calibration_error"][tier]) == set(metrics["all"])
    assert metrics["tiers"]["large"]["accuracy"] == metrics["all"]
    assert (model.temperature[:, 1:] != 1).any(dim=2).all()


@pytest.fixture(scope="module")
def data() -> Dataset:
    data = simulate(4, "train", 30)
    data.labelled[20:] = False
    return data


def test_the_teacher_sees_labelled_units_and_the_student_all(data: Dataset) -> None:
    stages: dict[str, int] = {}

    def count(stage: str, done: int, total: int, loss: float) -> None:
        stages[stage] = total

    teacher, lessons = fit_teacher(TINY, data, count)
    assert not any(p.requires_grad for p in teacher.parameters())
    student, history = fit_student(TINY, teacher, data, count)
    assert stages == {"teacher": 4, "student": 6, "circuits": 6}
    assert lessons[-1] < lessons[0]
    assert all(losses[-1] < losses[0] for losses in history.values())
    assert teacher.config.tiers == (Tier.CLASSICAL,)
    assert student.config.tiers == tuple(Tier)


def test_a_teacher_that_was_interrupted_is_the_same(data: Dataset, tmp_path: Path) -> None:
    whole, history = fit_teacher(TINY, data)

    def kill(stage: str, done: int, total: int, loss: float) -> None:
        if done == total:
            raise Killed

    config = replace(TINY, checkpoint=tmp_path / "run")
    with pytest.raises(Killed):
        fit_teacher(config, data, kill)
    resumed, again = fit_teacher(replace(config, resume=True), data)
    assert again == history
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_student_learns_from_the_generation_before_it(data: Dataset, tmp_path: Path) -> None:
    teacher, _ = fit_teacher(TINY, data)
    alone, _ = fit_student(TINY, teacher, data)
    config = replace(TINY, generations=3, checkpoint=tmp_path / "run")
    steps: list[Step] = []
    student, history = fit_student(config, teacher, data, lambda *step: steps.append(step))
    assert list(history) == ["generation-1", "generation-2", "student", "circuits"]
    assert list(dict.fromkeys(stage for stage, *_ in steps)) == list(history)

    # By hand: each generation as wide as the teacher, from the one before it.
    for _ in range(2):
        model, budget = config.heir
        assert (model.width, model.hidden) == (config.teacher_width, config.teacher_hidden)
        heir = build(model, config.seed, data)
        AsymmetricDistillationTrainer(teacher, heir, budget).train_with_missing_modalities(data)
        teacher = heir
    expected, _ = fit_student(TINY, teacher, data)
    weights = (m.parameters() for m in (student, expected, alone))
    for a, b, c in zip(*weights, strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)

    # What was done is not done again, and not taken for another recipe.
    seen: list[str] = []
    resumed = replace(config, resume=True)
    _, again = fit_student(resumed, fit_teacher(TINY, data)[0], data, lambda s, *_: seen.append(s))
    assert again == history
    assert seen == []
    with pytest.raises(WeightsError, match="another recipe"):
        train(replace(resumed, epochs=5))


def test_a_checkpoint_of_another_recipe_is_refused_before_the_work(
    trained: tuple[TrainResult, list[Step]], tmp_path: Path
) -> None:
    def nothing_done(*step: object) -> None:
        raise AssertionError(step)

    config = replace(TINY, epochs=3, resume=True, checkpoint=tmp_path / "run")
    for stage in STAGES:
        path = tmp_path / f"run.{stage}"
        write_tensors(path, {}, {"recipe": TINY.recipe(), "history": []})
        with pytest.raises(WeightsError, match="another recipe"):
            train(config, nothing_done)
        path.unlink()


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.safetensors"
    with pytest.raises(WeightsError, match="regrade train"):
        load_model(path)
    for content in (b"", b"\x08", b"\x02\0\0\0\0\0\0\0{}", b"not safetensors at all"):
        path.write_bytes(content)
        with pytest.raises(WeightsError, match="safetensors"):
            load_model(path)


@pytest.mark.parametrize(
    "change",
    [
        {"qubits": 8},  # as the first version had it
        {"top": "huge"},
        {"dim": 33},
        {"hidden": 2},
        {"variant": "telepathy"},
        {"colour": "red"},
    ],
)
def test_weights_of_another_version_are_refused(
    trained: tuple[TrainResult, list[Step]], tmp_path: Path, change: dict[str, object]
) -> None:
    tensors, header, _ = read_tensors(trained[0].weights)
    path = tmp_path / "other.safetensors"
    write_tensors(path, tensors, {"model": {**header["model"], **change}})
    with pytest.raises(WeightsError, match="does not fit this version; train again"):
        load_model(path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"generations": 0},
        {"circuit_epochs": 0},
        {"batch": 0},
        {"full": 1.5},
        {"threads": 0},
    ],
)
def test_a_recipe_that_cannot_be_followed_is_refused(wrong: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        TrainConfig(weights=tmp_path, **wrong)  # type: ignore[arg-type]


def test_recorded_units_take_the_place_of_unlabelled_ones(data: Dataset, tmp_path: Path) -> None:
    totals: dict[str, int] = {}

    def count(stage: str, done: int, total: int, loss: float) -> None:
        totals[stage] = total

    class Enough(Exception):
        """The student has begun."""

    def until_the_student(stage: str, done: int, total: int, loss: float) -> None:
        count(stage, done, total, loss)
        if stage == "student":
            raise Enough

    config = replace(TINY, recorded="line-3", weights=tmp_path / "w")
    with pytest.raises(Enough):
        train(config, until_the_student, data.unlabelled())
    assert config.recipe() == TINY.recipe() | {"recorded": "line-3"}
    assert totals["simulating"] == 24 + 6 + 6
    assert totals["teacher"] == 6
    assert totals["student"] == 2 * 6, "24 simulated and 30 recorded in batches of 10"


def test_where_the_work_is_done_is_no_part_of_the_recipe(tmp_path: Path) -> None:
    elsewhere = replace(TINY, weights=WEIGHTS, checkpoint=tmp_path / "c", workers=9, threads=3)
    assert elsewhere.recipe() == TINY.recipe()
    assert replace(TINY, unlabelled_units=17).recipe() != TINY.recipe()
    assert json.loads(json.dumps(TINY.recipe())) == TINY.recipe()
