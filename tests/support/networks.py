"""Networks and data small enough to be trained within a test."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from agents.distiller.encoders import Shape
from agents.distiller.heads import HEADS, LOGITS, split
from agents.distiller.model import HybridCrossModalDistiller, ModelConfig
from agents.lab.training.dataset import Dataset
from agents.lab.training.fitting import FitConfig, Supervised, build, fit
from schemas.decision import Tier
from schemas.modality import MODALITIES, Modality

SHAPES: dict[Modality, Shape] = {
    Modality.VISUAL: (1, 4, 4),
    Modality.SPECTRAL: (1, 8),
    Modality.TEXT: (3,),
    Modality.THERMAL: (2, 4, 4),
    Modality.ACOUSTIC: (2, 8),
    Modality.BATTERY: (5,),
}
M = len(MODALITIES)
EVEN: dict[Modality, float] = dict.fromkeys(MODALITIES, 0.5)
UNEVEN: dict[Modality, float] = dict(zip(MODALITIES, (1.0, 0.8, 0.8, 0.5, 0.2, 0.1), strict=True))
"""Abundances: all alike, and from rich to poor."""


def config(**changes: Any) -> ModelConfig:
    """A network of a few thousand parameters that has everything."""
    small = ModelConfig(
        SHAPES,
        dim=8,
        width=0.25,
        hidden=16,
        dropout=0.0,
        qubits={Tier.SMALL: 4, Tier.MEDIUM: 6, Tier.LARGE: 5},
    )
    return replace(small, **changes)


def network(seed: int = 0, **changes: Any) -> HybridCrossModalDistiller:
    """Of `config(**changes)`, with random weights, frozen in float64."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return HybridCrossModalDistiller(config(**changes)).double().eval().requires_grad_(False)


def numbers(*shape: int, seed: int = 0) -> Tensor:
    """Normal ones, float64."""
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def encodings(units: int, dim: int = 8, seed: int = 0) -> Tensor:
    """(units, M, dim), float64, all different from zero."""
    return numbers(units, M, dim, seed=seed)


def masks(units: int, seed: int = 0) -> Tensor:
    """Any, but none empty: bool (units, M)."""
    drawn = torch.rand(units, M, generator=torch.Generator().manual_seed(seed)) < 0.5
    drawn[:, 2] |= ~drawn.any(1)
    return drawn


def only(units: int, *columns: int) -> Tensor:
    """The same modalities of each unit, bool (units, M)."""
    mask = torch.zeros(units, M, dtype=torch.bool)
    mask[:, list(columns)] = True
    return mask


def toy(units: int, seed: int = 0) -> Dataset:
    """Units of six causes; every modality shows all of them, dimly, the labels depend on all."""
    fixed, own = torch.Generator().manual_seed(99), torch.Generator().manual_seed(seed)
    causes = torch.randn(units, 6, generator=own)
    features = {}
    for modality, shape in SHAPES.items():
        view = torch.randn(6, *shape, generator=fixed)
        noise = torch.randn(units, *shape, generator=own)
        features[modality] = torch.tensordot(causes, view, dims=1) + 0.5 * noise
    truth = causes @ torch.randn(6, LOGITS, generator=fixed)
    targets = tuple(
        part.argmax(1) if head.exclusive else (part > 0).float()
        for head, part in zip(HEADS, split(truth), strict=True)
    )
    everything = torch.ones(units, M, dtype=torch.bool)
    return Dataset(features, targets, everything, everything.all(1))


def with_holes(data: Dataset, instead: float = 0.0, seed: int = 0) -> Dataset:
    """The same units as if some modalities had not come, `instead` standing in their place."""
    arrived = masks(len(data), seed)
    features = {
        m: torch.where(arrived[:, column].view(-1, *[1] * (x.ndim - 1)), x, instead)
        for column, (m, x) in enumerate(data.features.items())
    }
    return replace(data, features=features, arrived=arrived)


def learnt(**changes: Any) -> HybridCrossModalDistiller:
    """Of `config(**changes)`, fitted to labels of toy units until it is often right; float32."""
    data = toy(300)
    model = build(config(**changes), 1, data)
    fit(Supervised(model), data, FitConfig(epochs=6, batch=25, learning_rate=1e-2))
    return model.requires_grad_(False)


def student(data: Dataset, **changes: Any) -> HybridCrossModalDistiller:
    """Of `config(**changes)`, standardised for these units, untrained."""
    return build(config(**changes), 1, data)
