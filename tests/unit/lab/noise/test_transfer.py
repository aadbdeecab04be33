"""The backward contraction against `default.mixed`, for every way of running a circuit."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pennylane as qml
import pytest
import torch
from pennylane.operation import Operator
from torch import Tensor

from agents.lab.noise.device import Device
from agents.lab.noise.encoding import ErrorResilientQuantumEncoding, Techniques
from agents.lab.noise.schedule import ORDERS
from agents.lab.noise.transfer import MOST, expectations, pauli_transfer, tables

WAYS = [
    Techniques(order=order, decouple=decouple, scales=scales, redundancy=redundancy)
    for order, decouple, scales, redundancy in product(
        ORDERS, (False, True), ((1,), (1, 3)), (1, 2)
    )
    if order == "tight" or redundancy == 1
]


@pytest.mark.parametrize("techniques", WAYS, ids=str)
def test_equals_default_mixed(
    techniques: Techniques, device: Device, angles: Callable[[int], tuple[Tensor, Tensor, Tensor]]
) -> None:
    q, k, w = angles(3)
    encoding = ErrorResilientQuantumEncoding(w, device, techniques)
    np.testing.assert_allclose(encoding.expected(q, k), encoding.run(q, k), rtol=0, atol=1e-10)


def test_equals_default_mixed_for_other_depths_and_widths(device: Device) -> None:
    generator = torch.Generator().manual_seed(0)
    for n, layers in ((2, 1), (4, 1), (2, 3)):
        q, k = (torch.randn(2, n, generator=generator, dtype=torch.float64) for _ in range(2))
        w = torch.randn(layers, n, 2, generator=generator, dtype=torch.float64)
        encoding = ErrorResilientQuantumEncoding(w, device, Techniques(decouple=True))
        np.testing.assert_allclose(encoding.expected(q, k), encoding.run(q, k), atol=1e-10)


@pytest.mark.parametrize(
    ("op", "expected"),
    [
        (qml.RZ(0.4, 0), [1, np.cos(0.4), np.cos(0.4), 1]),
        (qml.DepolarizingChannel(0.3, 0), [1, 0.6, 0.6, 0.6]),
        (qml.PhaseDamping(0.19, 0), [1, 0.9, 0.9, 1]),
        (qml.PauliX(0), [1, 1, -1, -1]),
    ],
)
def test_pauli_transfer_of_known_channels(op: Operator, expected: list[float]) -> None:
    np.testing.assert_allclose(np.diag(pauli_transfer(op)), expected, atol=1e-12)


def test_a_cnot_whose_control_comes_second() -> None:
    """On wires (1, 0): Z on the target becomes Z on both."""
    found = tables([qml.CNOT((1, 0))], 2)
    np.testing.assert_array_equal(np.argwhere(np.abs(found[0]) > 1e-12), [[3, 3]])
    np.testing.assert_array_equal(np.argwhere(np.abs(found[1]) > 1e-12), [[0, 3]])


def test_of_nothing_are_the_cosines() -> None:
    q, k = np.linspace(-3, 3, 8).reshape(2, 4), np.ones((2, 4))
    np.testing.assert_allclose(expectations(tables([], 4), q, k), np.cos(q), atol=1e-12)


def test_too_many_qubits_are_refused() -> None:
    with pytest.raises(ValueError, match="at most"):
        tables([], MOST + 1)
