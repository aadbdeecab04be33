"""The exact forms on their own: shapes, invariants, what they refuse."""

from collections.abc import Callable
from math import pi

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.circuits import angles, assert_equal, expectations
from torch import Tensor

from agents.distiller.circuits import closed_form, contraction, entangled, unentangled
from agents.distiller.circuits.bonds import bonds
from agents.distiller.circuits.exact import exact

Readout = Callable[[Tensor, Tensor, Tensor], Tensor]
READOUTS = (entangled, exact, unentangled)


def test_the_bonds_are_as_narrow_as_said() -> None:
    assert [bonds(layers).rightwards.states for layers in (1, 2, 3, 4)] == [2, 6, 22, 86]


@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize(
    ("lead", "circuits"),
    [
        ((), ()),
        ((3,), ()),
        ((2, 3, 2), ()),
        ((3, 5), (5,)),
        ((3, 5), (1,)),
        ((2, 3, 5), (3, 5)),
        ((2, 3, 5), (5,)),
    ],
)
def test_each_sample_is_as_if_alone(
    readout: Readout, layers: int, lead: tuple[int, ...], circuits: tuple[int, ...]
) -> None:
    q, k, w = angles(*lead, n=4, layers=layers, circuits=circuits)
    whole = readout(q, k, w)
    assert whole.shape == q.shape
    per_sample = w.expand(*lead, *w.shape[len(circuits) :])
    for at in np.ndindex(*lead):
        assert_equal(whole[at], readout(q[at], k[at], per_sample[at]))


@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize("layers", [2, 3])
def test_no_samples_no_results(readout: Readout, layers: int) -> None:
    q, k, w = angles(0, 3, n=4, layers=layers, circuits=(3,))
    assert readout(q, k, w).shape == (0, 3, 4)


@settings(max_examples=50, deadline=None)
@given(
    st.integers(2, 6), st.integers(1, 3), st.integers(0, 10**6), st.floats(0, 1e4), st.booleans()
)
def test_angles_of_any_size(n: int, layers: int, seed: int, size: float, single: bool) -> None:
    """z stays within [-1, 1]; machine code and torch agree; whole turns change nothing."""
    q, k, w = (size * x for x in angles(2, n=n, layers=layers, seed=seed))
    z = exact(q, k, w)
    assert_equal(z, entangled(q, k, w))
    assert z.abs().max() <= 1 + 1e-12
    assert_equal(z, exact(q + 2 * pi, k - 4 * pi, w), atol=1e-9)
    if single:
        q, k, w = q.float(), k.float(), w.float()
        z = exact(q, k, w)
        assert_equal(z, entangled(q, k, w), atol=1e-5)
        assert z.abs().max() <= 1 + 1e-5


@pytest.mark.parametrize("readout", READOUTS)
def test_the_last_rz_never_matters(readout: Readout) -> None:
    q, k, w = angles(3, n=5)
    turned = w.clone()
    turned[-1, :, 1] += 1.0
    assert_equal(readout(q, k, turned), readout(q, k, w))
    turned[-1, :, 0] += 1.0
    assert (readout(q, k, turned) - readout(q, k, w)).abs().max() > 0.01


@pytest.mark.parametrize("entangle", [True, False])
@pytest.mark.parametrize("angle", [0.0, pi / 2, -pi / 2, pi, -pi, 2 * pi, 1e-12, 1e3])
def test_special_angles(angle: float, entangle: bool) -> None:
    """Where products vanish, gradients must still be right: all angles, then all but the query."""
    n = 5
    full = torch.full((1, n), angle, dtype=torch.float64)
    some = torch.linspace(-1, 1, n, dtype=torch.float64).unsqueeze(0)
    for q in (full, some):
        given = [x.clone().requires_grad_() for x in (q, full, full.reshape(n, 1).expand(2, n, 2))]
        theirs = expectations(*given, entangle=entangle)
        wanted = torch.autograd.grad(theirs.sum(), given)
        ways = (closed_form.entangled, contraction.entangled, exact) if entangle else (unentangled,)
        for readout in ways:
            ours = readout(*given)
            assert_equal(ours, theirs)
            assert_equal(torch.autograd.grad(ours.sum(), given), wanted)


def test_torch_differentiates_twice() -> None:
    for layers in (2, 3):
        given = tuple(x.requires_grad_() for x in angles(1, n=3, layers=layers))
        assert torch.autograd.gradgradcheck(entangled, given)


@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize(
    "shape", [(3, 8), (8, 2), (2,), (0, 8, 2), (2, 7, 2), (2, 8, 1), (4, 2, 7, 2)]
)
def test_weights_of_another_circuit_are_refused(readout: Readout, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected w of shape"):
        readout(torch.zeros(3, 8), torch.zeros(3, 8), torch.zeros(shape))


@pytest.mark.parametrize("readout", [entangled, exact])
def test_too_many_layers_are_refused(readout: Readout) -> None:
    with pytest.raises(ValueError, match=r"only 1 to 4; take default\.qubit"):
        readout(torch.zeros(3, 8), torch.zeros(3, 8), torch.zeros(5, 8, 2))


def test_the_closed_form_is_of_two_layers() -> None:
    with pytest.raises(ValueError, match=r"shape \(..., 2, 8, 2\)"):
        closed_form.entangled(torch.zeros(8), torch.zeros(8), torch.zeros(3, 8, 2))


@pytest.mark.parametrize("readout", READOUTS)
def test_one_qubit_is_no_pair(readout: Readout) -> None:
    with pytest.raises(ValueError, match="n >= 2"):
        readout(torch.zeros(3, 1), torch.zeros(3, 1), torch.zeros(2, 1, 2))
