"""A few simulated units, a tiny recipe and a small random model, made once."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from agents.distiller.dataset import SHAPES, Dataset, simulate
from agents.distiller.model import HybridCrossModalDistiller, ModelConfig
from agents.distiller.training import TrainConfig


@pytest.fixture(scope="session")
def units() -> Dataset:
    return simulate(3, "test", 24)


@pytest.fixture(scope="session")
def model() -> HybridCrossModalDistiller:
    """Random weights, float64; nothing here may depend on training."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return HybridCrossModalDistiller(ModelConfig(SHAPES)).double().eval()


@pytest.fixture
def tiny(tmp_path: Path) -> TrainConfig:
    return TrainConfig(
        train_units=30, validation_units=10, test_units=10, epochs=3, batch=15,
        workers=1, threads=1, weights=tmp_path / "tiny.safetensors",
    )  # fmt: skip


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Small tensors gain nothing from threads, and lose much on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
