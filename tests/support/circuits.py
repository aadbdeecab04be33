"""Random circuits, and PennyLane without the warnings that its dependencies give each other."""

import warnings
from math import pi

import torch
from torch import Tensor

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from agents.distiller.circuits.reference import expectations

__all__ = ["angles", "assert_equal", "expectations"]


def angles(
    *lead: int, n: int, layers: int = 2, circuits: tuple[int, ...] = (), seed: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """q and k of shape (*lead, n) and w of shape (*circuits, L, n, 2), within 2 pi, float64."""
    generator = torch.Generator().manual_seed(1000 * seed + 100 * layers + n)

    def within(*shape: int) -> Tensor:
        return (torch.rand(*shape, generator=generator, dtype=torch.float64) - 0.5) * 4 * pi

    return within(*lead, n), within(*lead, n), within(*circuits, layers, n, 2)


def assert_equal(
    ours: Tensor | tuple[Tensor, ...], theirs: Tensor | tuple[Tensor, ...], atol: float = 1e-10
) -> None:
    """Everywhere, without regard to type."""
    torch.testing.assert_close(ours, theirs, rtol=0, atol=atol, check_dtype=False)
