"""The closed form against PennyLane's default.qubit, in float64."""

import warnings
from collections.abc import Sequence
from math import pi

import pytest
import torch
from torch import Tensor

from agents.distiller.circuits.closed_form import entangled, unentangled

with warnings.catch_warnings():  # PennyLane's dependencies deprecate things among themselves
    warnings.simplefilter("ignore")
    from agents.distiller.circuits.reference import expectations


def assert_equal(ours: Tensor | Sequence[Tensor], theirs: Tensor | Sequence[Tensor]) -> None:
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


def both(q: Tensor, k: Tensor, w: Tensor, *, entangle: bool) -> tuple[Tensor, Tensor]:
    closed = entangled if entangle else unentangled
    return closed(q, k, w), expectations(q, k, w, entangle=entangle)


@pytest.mark.parametrize("entangle", [True, False])
@pytest.mark.parametrize("n", range(2, 11))
def test_values_and_gradients_equal_default_qubit(n: int, entangle: bool) -> None:
    generator = torch.Generator().manual_seed(n)
    q, k, w, weight = (
        torch.randn(*shape, generator=generator, dtype=torch.float64)
        for shape in ((4, n), (4, n), (2, n, 2), (4, n))
    )
    angles = [(3 * angle).requires_grad_() for angle in (q, k, w)]
    ours, theirs = both(*angles, entangle=entangle)
    assert_equal(ours, theirs)
    assert_equal(
        torch.autograd.grad((ours * weight).sum(), angles),
        torch.autograd.grad((theirs * weight).sum(), angles),
    )


@pytest.mark.parametrize("entangle", [True, False])
@pytest.mark.parametrize("angle", [0.0, pi / 2, -pi / 2, pi, -pi, 2 * pi, 1e-12, 1e3])
def test_extreme_angles(angle: float, entangle: bool) -> None:
    """Where products vanish, gradients must still be right: all angles, then all but the query."""
    n = 5
    full = torch.full((1, n), angle, dtype=torch.float64)
    some = torch.linspace(-1, 1, n, dtype=torch.float64).unsqueeze(0)
    for q in (full, some):
        angles = [x.clone().requires_grad_() for x in (q, full, full.reshape(n, 1).expand(2, n, 2))]
        ours, theirs = both(*angles, entangle=entangle)
        assert_equal(ours, theirs)
        assert_equal(
            torch.autograd.grad(ours.sum(), angles),
            torch.autograd.grad(theirs.sum(), angles),
        )


def test_broadcasts_over_batch_and_pairs() -> None:
    """Each sample and pair is as if it had been computed alone."""
    generator = torch.Generator().manual_seed(0)
    q, k = (torch.randn(3, 5, 8, generator=generator, dtype=torch.float64) for _ in range(2))
    w = torch.randn(5, 2, 8, 2, generator=generator, dtype=torch.float64)
    whole = entangled(q, k, w)
    for b in range(3):
        for p in range(5):
            torch.testing.assert_close(whole[b, p], entangled(q[b, p], k[b, p], w[p]))


def test_stays_in_range_in_float32() -> None:
    generator = torch.Generator().manual_seed(0)
    q, k = (10 * torch.randn(500, 8, generator=generator) for _ in range(2))
    z = entangled(q, k, 10 * torch.randn(2, 8, 2, generator=generator))
    assert z.dtype == torch.float32
    assert z.abs().max() <= 1 + 1e-6


@pytest.mark.parametrize("shape", [(3, 8, 2), (2, 7, 2), (2, 8, 1)])
def test_weights_of_another_circuit_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected w"):
        entangled(torch.zeros(8), torch.zeros(8), torch.zeros(shape))
