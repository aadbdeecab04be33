"""Made-up things under three views, none of which tells all classes apart."""

import pytest
import torch

from agents.lab.evaluation.real.data import Digits

CLASSES, PER_CLASS = 4, 60


@pytest.fixture(scope="session")
def things() -> Digits:
    """240 rows; views of 5, 7 and 3 noisy features."""
    generator = torch.Generator().manual_seed(1)
    labels = torch.arange(CLASSES).repeat(PER_CLASS)
    views = []
    for width in (5, 7, 3):
        centres = 1.5 * torch.randn(CLASSES, width, generator=generator)
        noise = torch.randn(len(labels), width, generator=generator)
        views.append(centres[labels] + noise)
    return Digits(tuple(views), labels)
