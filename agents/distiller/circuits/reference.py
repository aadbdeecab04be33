"""The circuit, written once, in PennyLane: the reference, and the way to real devices.

On n qubits with L layers: prepare RY(q_i) RZ(k_i) on every qubit, then L times [a CNOT ladder
i -> i+1, then RY(w[l, i, 0]) RZ(w[l, i, 1])], and read <Z_i>.

Training and inference do not call this unless they are told to (`backend`): the exact forms give
the same values and gradients without a state vector, and the tests hold them to this file.
Importing PennyLane takes seconds, so only what wants the reference (tests, benchmarks, a real
device) imports this module.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

import pennylane as qml
import torch
from torch import Tensor

Node = Callable[[Any, Any, Any], Sequence[Any]]
"""(q, k, w) as in `expectations`, tensors or numpy arrays, to n expectations of the same kind, each
of shape () or (batch,)."""


def pair_circuit(q: Tensor, k: Tensor, w: Tensor, *, entangle: bool = True) -> None:
    """Queue the gates of one ordered pair.

    Args:
        q: query angles in radians, shape (..., n); leading dimensions broadcast.
        k: key angles in radians, shape (..., n).
        w: trained angles in radians, shape (L, n, 2), the RY and RZ angle of each layer and qubit.
        entangle: False leaves the CNOTs out (the no-entanglement ablation).
    """
    layers, n, _ = w.shape
    for i in range(n):
        qml.RY(q[..., i], wires=i)
        qml.RZ(k[..., i], wires=i)
    for layer in range(layers):
        if entangle:
            for i in range(n - 1):
                qml.CNOT(wires=(i, i + 1))
        for i in range(n):
            qml.RY(w[layer, i, 0], wires=i)
            qml.RZ(w[layer, i, 1], wires=i)


def node(device: str, qubits: int, *, shots: int | None = None, entangle: bool = True) -> Node:
    """The circuit bound to a PennyLane device.

    Args:
        device: the name of any PennyLane device.
        qubits: n.
        shots: how often the circuit is measured; None for expectations.
        entangle: False leaves the CNOTs out.

    Raises:
        pennylane.exceptions.DeviceError: PennyLane knows no such device.
    """

    def circuit(q: Tensor, k: Tensor, w: Tensor) -> list[object]:
        pair_circuit(q, k, w, entangle=entangle)
        return [qml.expval(qml.PauliZ(i)) for i in range(qubits)]

    on = qml.device(device, wires=qubits)
    return cast(Node, qml.QNode(circuit, on, interface="auto", shots=shots))


def expectations(
    q: Tensor, k: Tensor, w: Tensor, *, entangle: bool = True, device: str = "default.qubit"
) -> Tensor:
    """<Z_i> of the circuit on any PennyLane device.

    Args:
        q: shape (n,) or (batch, n), radians.
        k: as `q`.
        w: shape (L, n, 2), radians.
        entangle: False leaves the CNOTs out.
        device: the name of any PennyLane device. On `default.qubit` the result is exact, in
            float64 where the arguments are, and differentiable by back-propagation.

    Returns:
        z in [-1, 1], shape as `q`.

    Raises:
        pennylane.exceptions.DeviceError: PennyLane knows no such device.
    """
    run = node(device, w.shape[1], entangle=entangle)
    return torch.stack(list(run(q, k, w)), dim=-1)
