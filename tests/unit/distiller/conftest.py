"""A few simulated units and a random model of the size that ships, made once."""

from collections.abc import Iterator

import pytest
import torch

from agents.distiller.model import HybridCrossModalDistiller, ModelConfig
from agents.lab.training.dataset import SHAPES, Dataset, simulate


@pytest.fixture(scope="session")
def units() -> Dataset:
    return simulate(3, "test", 24)


@pytest.fixture(scope="session")
def model() -> HybridCrossModalDistiller:
    """Random weights, float64; nothing here may depend on training."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return HybridCrossModalDistiller(ModelConfig(SHAPES)).double().eval()


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Small tensors gain nothing from threads, and lose much on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
