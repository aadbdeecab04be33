"""All ways to run the circuit give what PennyLane's default.qubit gives, values and gradients."""

import pytest
import torch
from support.circuits import angles, assert_equal, expectations

from agents.distiller.circuits import closed_form, contraction, entangled, unentangled
from agents.distiller.circuits.exact import exact

# Every depth on narrow circuits, every width up to 16, the deepest on the widest.
CASES = [(n, layers) for n in range(2, 8) for layers in range(1, 5)]
CASES += [(n, 2) for n in range(8, 17)] + [(8, 3), (9, 4), (10, 1), (11, 4), (13, 3), (16, 1)]
SMALL = [(2, 1), (2, 2), (3, 3), (4, 4), (5, 1), (5, 2), (6, 3), (9, 2)]


@pytest.mark.parametrize(("n", "layers"), CASES)
def test_values(n: int, layers: int) -> None:
    q, k, w = angles(4 if n <= 10 else 2, n=n, layers=layers)
    wanted = expectations(q, k, w)
    assert_equal(contraction.entangled(q, k, w), wanted)
    if layers == 2:
        assert_equal(closed_form.entangled(q, k, w), wanted)
    assert_equal(exact(q, k, w), wanted)
    single = (q.float(), k.float(), w.float())
    for readout in (entangled, exact):
        found = readout(*single)
        assert found.dtype == torch.float32
        assert_equal(found, wanted, atol=1e-5)


@pytest.mark.parametrize("layers", [1, 2, 3, 4])
@pytest.mark.parametrize("n", [2, 3, 7])
def test_values_without_entanglement(n: int, layers: int) -> None:
    q, k, w = angles(4, n=n, layers=layers)
    assert_equal(unentangled(q, k, w), expectations(q, k, w, entangle=False))


@pytest.mark.parametrize(("n", "layers"), SMALL)
def test_gradients(n: int, layers: int) -> None:
    given = [x.requires_grad_() for x in angles(3, n=n, layers=layers)]
    weight = angles(3, n=n, seed=1)[0]

    def gradients(z: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return torch.autograd.grad((z * weight).sum(), given)

    wanted = gradients(expectations(*given))
    for readout in (contraction.entangled, entangled, exact):
        assert_equal(gradients(readout(*given)), wanted)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_gradients_without_entanglement(layers: int) -> None:
    given = [x.requires_grad_() for x in angles(3, n=4, layers=layers)]
    ours, theirs = (
        torch.autograd.grad(z.sum(), given)
        for z in (unentangled(*given), expectations(*given, entangle=False))
    )
    assert_equal(ours, theirs)
