"""Training: deterministic, resumable, and honest about what it wrote."""

import json
from dataclasses import replace
from hashlib import sha256
from math import isnan
from pathlib import Path

import pytest
import torch

from agents.distiller import training
from agents.distiller.dataset import Dataset, simulate
from agents.distiller.files import WeightsError, load_model
from agents.distiller.training import TrainConfig, fit, schedule, train


@pytest.fixture(scope="module")
def data() -> Dataset:
    return simulate(4, "train", 30)


def test_same_seed_same_bytes(tiny: TrainConfig, tmp_path: Path) -> None:
    steps: list[tuple[int, int, int, int, float]] = []
    first = train(tiny, lambda *step: steps.append(step))
    torch.rand(3)  # the global generator's state must not matter
    second = train(replace(tiny, weights=tmp_path / "again.safetensors"))
    assert first.sha256 == second.sha256
    assert first.metrics == second.metrics
    assert first.sha256 == sha256(tiny.weights.read_bytes()).hexdigest()

    assert steps[0][:2] == (0, 3)
    assert isnan(steps[0][4])
    assert steps[-1][:4] == (3, 3, 2, 2)

    card = json.loads(first.card.read_text())
    assert first.card == tiny.weights.with_suffix(".json")
    assert card["sha256"] == first.sha256
    assert card["data"]["index_ranges"]["train"] == [0, 30]
    assert set(card["metrics"]["single"]) == {
        "visual", "spectral", "text", "thermal", "acoustic", "battery",
    }  # fmt: skip
    assert len(card["metrics"]["cumulative"]) == 6


def test_another_seed_other_weights(tiny: TrainConfig, data: Dataset) -> None:
    one, _ = fit(tiny, data)
    two, _ = fit(replace(tiny, seed=2), data)
    assert not torch.equal(one.attention.w, two.attention.w)


def test_resumed_equals_uninterrupted(tiny: TrainConfig, data: Dataset, tmp_path: Path) -> None:
    whole, history = fit(tiny, data)

    class Killed(Exception):
        pass

    def kill(epoch: int, epochs: int, step: int, steps: int, loss: float) -> None:
        if (epoch, step) == (3, 1):
            raise Killed

    config = replace(tiny, checkpoint=tmp_path / "run.checkpoint")
    with pytest.raises(Killed):
        fit(config, data, kill)
    seen: list[int] = []
    resumed, same_history = fit(
        replace(config, resume=True), data, lambda epoch, *_: seen.append(epoch)
    )
    assert set(seen) == {3}
    assert same_history == history
    for (name, a), b in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_a_checkpoint_of_another_recipe_is_refused(
    tiny: TrainConfig, data: Dataset, tmp_path: Path
) -> None:
    config = replace(tiny, epochs=1, checkpoint=tmp_path / "run.checkpoint")
    fit(config, data)
    with pytest.raises(WeightsError, match="another recipe"):
        fit(replace(config, epochs=2, resume=True), data)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.safetensors"
    with pytest.raises(WeightsError, match="regrade train"):
        load_model(path)
    for content in (b"", b"\x08", b"\x02\0\0\0\0\0\0\0{}", b"not safetensors at all"):
        path.write_bytes(content)
        with pytest.raises(WeightsError, match="safetensors"):
            load_model(path)


def test_learning_lowers_the_loss(tiny: TrainConfig, data: Dataset) -> None:
    _, history = fit(replace(tiny, epochs=8), data)
    assert history[-1] < 0.8 * history[0]


def test_learning_rate_warms_up_and_falls_to_zero() -> None:
    assert schedule(0.0) < 0.05
    assert schedule(0.03) == pytest.approx(1.0, abs=0.01)
    assert schedule(0.5) == pytest.approx(0.5)
    assert schedule(1.0) == pytest.approx(0.0, abs=1e-9)


def test_torch_is_left_as_it_was(tiny: TrainConfig) -> None:
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    training.train(replace(tiny, epochs=1, threads=2))
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"batch": 0}, {"full": 1.5}, {"threads": 0}])
def test_a_recipe_that_cannot_be_followed_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        TrainConfig(**wrong)  # type: ignore[arg-type]
