"""A few simulated units and a teacher, made once."""

import pytest
from support.networks import network

from agents.distiller.model import HybridCrossModalDistiller
from agents.lab.training.dataset import Dataset, simulate
from schemas.decision import Tier


@pytest.fixture(scope="session")
def units() -> Dataset:
    return simulate(3, "test", 24)


@pytest.fixture(scope="session")
def teacher() -> HybridCrossModalDistiller:
    """It has opinions; whether they are right does not matter here."""
    model = network(5, top=Tier.CLASSICAL, hidden=24).float()
    model.trunks[0].out.weight.mul_(4)
    return model
