"""Other devices for the same circuit: what they give, and what is said of those that are not."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from support.circuits import angles, assert_equal

from agents.distiller.circuits import entangled
from agents.distiller.circuits.backend import BackendError, backend
from agents.distiller.circuits.exact import exact

DEVICES = ["default.qubit", "default.mixed", "lightning.qubit"]


def test_exact_is_the_default() -> None:
    assert backend() is backend("exact") is exact


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_devices_give_the_exact_values(device: str, dtype: torch.dtype) -> None:
    q, k, w = angles(3, 2, n=3, layers=3, circuits=(2,))
    z = backend(device)(q.to(dtype), k.to(dtype), w.to(dtype))
    assert z.dtype == dtype
    assert_equal(z, entangled(q, k, w), 1e-10 if dtype == torch.float64 else 1e-5)


@pytest.mark.parametrize("device", DEVICES)
def test_devices_take_any_batch(device: str) -> None:
    readout = backend(device)
    for lead, circuits in (((), ()), ((1, 2), (2,)), ((2, 2, 2), (2,)), ((0, 2), (2,))):
        q, k, w = angles(*lead, n=3, circuits=circuits)
        z = readout(q, k, w)
        assert z.shape == q.shape
        assert_equal(z, entangled(q, k, w))


def test_devices_run_more_layers_than_the_exact_form() -> None:
    q, k, w = angles(2, n=3, layers=6)
    default, mixed = (backend(name)(q, k, w) for name in ("default.qubit", "default.mixed"))
    assert_equal(default, mixed)


@pytest.mark.parametrize(("device", "atol"), [("default.qubit", 1e-10), ("lightning.qubit", 1e-5)])
def test_gradients_pass_through_devices(device: str, atol: float) -> None:
    """PennyLane hands lightning.qubit's results to torch in float32."""
    given = [x.requires_grad_() for x in angles(2, 2, n=3, circuits=(2,))]
    ours, theirs = (
        torch.autograd.grad(readout(*given).square().sum(), given)
        for readout in (backend(device), entangled)
    )
    assert_equal(ours, theirs, atol)


@pytest.mark.parametrize("device", DEVICES)
def test_shots_converge(device: str) -> None:
    """Hoeffding: a mean of N values of +-1 is off by more than this once in 10^12."""
    q, k, w = angles(6, n=3)
    wanted = entangled(q, k, w)
    np.random.seed(0)  # PennyLane draws its seeds from numpy's
    errors = []
    for shots in (50, 5000):
        z = backend(device, shots=shots)(q, k, w)
        counts = (z + 1) * shots / 2
        assert_equal(counts, counts.round(), atol=1e-2)  # means of +-1, not expectations
        error = (z - wanted).abs()
        assert error.max() < math.sqrt(2 * math.log(2e12) / shots)
        errors.append(float(error.mean()))
    assert errors[1] < errors[0] / 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("exact", 100), "takes no shots .* such as default.qubit"),
        (("exact", 0), "0 shots are no measurement"),
        (("default.qubit", -1), "-1 shots are no measurement"),
        (("no.such", None), "no device 'no.such': PennyLane has .*default.qubit.* install"),
        (("", None), "no device ''"),
    ],
)
def test_what_cannot_be_is_told(arguments: tuple[str, int | None], message: str) -> None:
    with pytest.raises(BackendError, match=message):
        backend(*arguments)


def test_a_device_that_cannot_be_set_up_is_told() -> None:
    q, k, w = angles(2, n=3)
    readout = backend("default.tensor")  # needs a package that is not installed
    with pytest.raises(BackendError, match=r"'default.tensor' cannot be set up for 3 qubits: .*"):
        readout(q, k, w)


def test_exact_inference_imports_no_pennylane() -> None:
    code = (
        "import sys; from agents.distiller.circuits.backend import backend; readout = backend();"
        "early = {'numba', 'pennylane'} & set(sys.modules);"
        "assert not early, early;"
        "import torch; x = torch.zeros(2, 3); readout(x, x, torch.zeros(2, 3, 2));"
        "assert 'pennylane' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
