"""A small device and a small circuit; PennyLane, imported once, without its dependencies' noise."""

import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

with warnings.catch_warnings():  # PennyLane's dependencies deprecate things among themselves
    warnings.simplefilter("ignore")
    import pennylane  # noqa: F401

from agents.lab.noise.device import DEVICE, Device


@pytest.fixture
def device() -> Device:
    """Nine qubits of the real one, on a day on which they have drifted."""
    return DEVICE.segment(4, 9).drifted(np.random.default_rng(5))


@pytest.fixture
def angles() -> Callable[[int], tuple[Tensor, Tensor, Tensor]]:
    """q (B, 3), k (B, 3) and w (2, 3, 2) for a number B of inputs."""

    def draw(batch: int) -> tuple[Tensor, Tensor, Tensor]:
        generator = torch.Generator().manual_seed(batch)
        shapes = ((batch, 3), (batch, 3), (2, 3, 2))
        q, k, w = (3 * torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes)
        return q, k, w

    return draw
