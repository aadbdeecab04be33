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
"""Of features and hidden units, in training only, unless a configuration says otherwise."""


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
        return (x - self.mean).div_(self.std).clamp_(-self.CLIP, self.CLIP)


def mlp(shape: Shape, dim: int, width: float, dropout: float) -> nn.Module:
    """For a vector of features."""
    hidden = _units(64, width)
    return nn.Sequential(
        nn.Flatten(), nn.Dropout(dropout),
        nn.Linear(prod(shape), hidden), nn.GELU(), nn.Dropout(dropout),
        nn.Linear(hidden, dim),
    )  # fmt: skip


def conv1d(shape: Shape, dim: int, width: float, dropout: float) -> nn.Module:
    """For curves: (channels, points)."""
    a, b = _units(12, width), _units(16, width)
    return _flat(
        nn.Sequential(
            nn.Conv1d(shape[0], a, 7, stride=2, padding=3), nn.GELU(),
            nn.Conv1d(a, b, 5, stride=2, padding=2), nn.GELU(),
        ), shape, dim, dropout,
    )  # fmt: skip


def conv2d(shape: Shape, dim: int, width: float, dropout: float) -> nn.Module:
    """For images: (channels, rows, columns)."""
    a, b, c = _units(8, width), _units(16, width), _units(24, width)
    return _flat(
        nn.Sequential(
            nn.Conv2d(shape[0], a, 3, stride=2, padding=1), nn.GELU(),
            nn.Conv2d(a, b, 3, stride=2, padding=1), nn.GELU(),
            nn.Conv2d(b, c, 3, stride=2, padding=1), nn.GELU(),
        ), shape, dim, dropout,
    )  # fmt: skip


def _units(count: int, width: float) -> int:
    """So many channels or hidden units, in multiples of two."""
    return max(2, 2 * round(count * width / 2))


def _flat(convolutions: nn.Sequential, shape: Shape, dim: int, dropout: float) -> nn.Module:
    """Followed by a linear map of all that comes out."""
    with torch.no_grad():
        size = convolutions(torch.zeros(1, *shape)).numel()
    for layer in (nn.Flatten(), nn.Dropout(dropout), nn.Linear(size, dim)):
        convolutions.append(layer)
    return convolutions


BODIES: dict[Modality, Callable[[Shape, int, float, float], nn.Module]] = {
    Modality.VISUAL: conv2d,
    Modality.SPECTRAL: conv1d,
    Modality.TEXT: mlp,
    Modality.THERMAL: conv2d,
    Modality.ACOUSTIC: conv1d,
    Modality.BATTERY: mlp,
}


def encoder(
    modality: Modality, shape: Shape, dim: int, width: float = 1.0, dropout: float = DROPOUT
) -> nn.Sequential:
    """The encoder of one modality: (B, *shape) -> (B, dim); `width` scales what lies between."""
    body = BODIES[modality](shape, dim, width, dropout)
    return nn.Sequential(Standardise(shape), body, nn.LayerNorm(dim))
