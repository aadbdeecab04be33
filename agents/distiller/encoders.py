"""One encoder per modality: features to R^D.

Each standardises its features with statistics of the training data, applies a small network
(convolutions where neighbours matter) and ends in a LayerNorm, so that every modality speaks to
the others at one scale. None looks at batch mates; only training draws random numbers
(dropout).

A seventh modality is one new entry of `BODIES`.
"""

from collections.abc import Callable
from math import prod

import torch
from torch import Tensor, nn

from schemas.modality import Modality

Shape = tuple[int, ...]
DROPOUT = 0.2
"""Of features and hidden units, in training only."""


class Standardise(nn.Module):
    """(x - mean) / std per entry of the first feature axis, clipped: a freak reading saturates.

    That axis is the channel of an image or of a stack of curves, and the feature of a vector.
    """

    mean: Tensor
    std: Tensor
    CLIP = 6.0

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        per_channel = (shape[0],) + (1,) * (len(shape) - 1)
        self.register_buffer("mean", torch.zeros(per_channel))
        self.register_buffer("std", torch.ones(per_channel))

    def fit(self, x: Tensor) -> None:
        """Take the statistics of `x`, (N, *shape)."""
        axes = [0, *range(2, x.ndim)]
        std, mean = torch.std_mean(x.double(), dim=axes, correction=0)
        self.mean.copy_(mean.view_as(self.mean))
        # A feature that hardly varies in training must not explode when it does later.
        self.std.copy_(std.clamp(min=1e-3).view_as(self.std))

    def forward(self, x: Tensor) -> Tensor:
        return ((x - self.mean) / self.std).clamp(-self.CLIP, self.CLIP)


def mlp(shape: Shape, dim: int) -> nn.Module:
    """For a vector of features."""
    return nn.Sequential(
        nn.Flatten(), nn.Dropout(DROPOUT),
        nn.Linear(prod(shape), 64), nn.GELU(), nn.Dropout(DROPOUT),
        nn.Linear(64, dim),
    )  # fmt: skip


def conv1d(shape: Shape, dim: int) -> nn.Module:
    """For curves: (channels, points)."""
    return _flat(
        nn.Sequential(
            nn.Conv1d(shape[0], 12, 7, stride=2, padding=3), nn.GELU(),
            nn.Conv1d(12, 16, 5, stride=2, padding=2), nn.GELU(),
        ), shape, dim,
    )  # fmt: skip


def conv2d(shape: Shape, dim: int) -> nn.Module:
    """For images: (channels, rows, columns)."""
    return _flat(
        nn.Sequential(
            nn.Conv2d(shape[0], 8, 3, stride=2, padding=1), nn.GELU(),
            nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.GELU(),
            nn.Conv2d(16, 24, 3, stride=2, padding=1), nn.GELU(),
        ), shape, dim,
    )  # fmt: skip


def _flat(convolutions: nn.Sequential, shape: Shape, dim: int) -> nn.Module:
    """Followed by a linear map of all that comes out."""
    with torch.no_grad():
        size = convolutions(torch.zeros(1, *shape)).numel()
    for layer in (nn.Flatten(), nn.Dropout(DROPOUT), nn.Linear(size, dim)):
        convolutions.append(layer)
    return convolutions


BODIES: dict[Modality, Callable[[Shape, int], nn.Module]] = {
    Modality.VISUAL: conv2d,
    Modality.SPECTRAL: conv1d,
    Modality.TEXT: mlp,
    Modality.THERMAL: conv2d,
    Modality.ACOUSTIC: conv1d,
    Modality.BATTERY: mlp,
}


def encoder(modality: Modality, shape: Shape, dim: int) -> nn.Sequential:
    """The encoder of one modality: (B, *shape) -> (B, dim)."""
    return nn.Sequential(Standardise(shape), BODIES[modality](shape, dim), nn.LayerNorm(dim))
