"""The noisy <Z_i> of one circuit for any number of inputs, exactly, at the cost of one run.

Everything after a qubit's own RY(q) RZ(k) is linear and does not depend on the input. So, as in
`circuits.closed_form`, walk backwards (Heisenberg picture): each Z_i becomes a table of 4^n
coefficients over Pauli strings, and a product input with Bloch vectors r_j = (1, x, y, z) reads

    <Z_i> = sum_P  table_i[P_0 ... P_n-1]  r_0[P_0] ... r_n-1[P_n-1].

Density matrices on `default.mixed` cost seconds an input at n = 8; this costs a fraction of a
second per circuit and little per input, and the tests hold the two together.

All two-qubit operations are of neighbours, so what Z_i has grown to is an interval of wires.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
import pennylane as qml
from numpy.typing import NDArray
from pennylane.operation import Channel, Operator

Array = NDArray[np.float64]

MOST = 10
"""Qubits; a table is n 4^n numbers."""

_PAULIS = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
_BASIS = {
    1: _PAULIS.reshape(4, 4).T,  # a column a Pauli string, its entries in the order of rows
    2: np.einsum("aij,bkl->ikjlab", _PAULIS, _PAULIS).reshape(16, 16),
}
_Z = np.array([0.0, 0.0, 0.0, 1.0])


def pauli_transfer(op: Operator) -> Array:
    """R_ab = tr(P_a E(P_b)) / d of a gate or channel E on d = 2 or 4 dimensions, (d^2, d^2)."""
    if hasattr(qml, op.name) and all(np.ndim(parameter) == 0 for parameter in op.parameters):
        return _known(op.name, tuple(map(float, op.parameters)), len(op.wires))
    return _computed(op)


@lru_cache(maxsize=10_000)
def _known(name: str, parameters: tuple[float, ...], wires: int) -> Array:
    """Of an operation that its name and numbers determine: many recur."""
    return _computed(getattr(qml, name)(*parameters, wires=range(wires)))


def _computed(op: Operator) -> Array:
    kraus = np.stack(op.kraus_matrices() if isinstance(op, Channel) else [op.matrix()])
    basis = _BASIS[len(op.wires)]
    superoperator = np.einsum("kij,klm->iljm", kraus, kraus.conj()).reshape(basis.shape)
    transfer: Array = (basis.conj().T @ superoperator @ basis).real / kraus.shape[-1]
    return transfer


class _Block:
    """All that happens on two neighbours before another qubit joins in, (16, 16)."""

    def __init__(self, first: int, transfer: Array) -> None:
        self.first = first
        self.transfer = transfer


def _blocks(ops: Iterable[Operator], n: int) -> tuple[list[_Block], list[Array]]:
    """Gather operations into blocks of two wires; and what is left per wire after the last."""
    single = [np.eye(4) for _ in range(n)]
    blocks: list[_Block] = []
    last: dict[int, _Block] = {}
    for op in ops:
        transfer, wires = pauli_transfer(op), op.wires.tolist()
        if len(wires) == 1:
            single[wires[0]] = transfer @ single[wires[0]]
            continue
        first = min(wires)
        if wires[0] > wires[1]:
            transfer = transfer.reshape(4, 4, 4, 4).transpose(1, 0, 3, 2).reshape(16, 16)
        both = np.einsum("ac,bd->abcd", single[first], single[first + 1]).reshape(16, 16)
        transfer = transfer @ both
        single[first] = single[first + 1] = np.eye(4)
        block = last.get(first)
        if block is not None and block is last.get(first + 1):
            block.transfer = transfer @ block.transfer
        else:
            block = _Block(first, transfer)
            blocks.append(block)
        last[first] = last[first + 1] = block
    return blocks, single


def tables(ops: Sequence[Operator], n: int) -> Array:
    """The table of each <Z_i>.

    Args:
        ops: gates and channels of a circuit on wires 0 .. n-1, two-qubit ones of neighbours, in
            which each wire begins with RY(0) RZ(0) in the place of the input's angles and, before
            that, has only what leaves |0> and its neighbours alone (`on_device` sees to it).
        n: number of qubits.

    Returns:
        Shape (n, 4^m, 4^(n - m)) with m = n // 2: a row is a Pauli string of the first m wires.

    Raises:
        ValueError: too many qubits for tables.
    """
    if n > MOST:
        raise ValueError(f"tables of {n} qubits would not fit; at most {MOST}")
    blocks, single = _blocks(ops, n)
    rows: list[Array] = []
    for i in range(n):
        # The interval lo .. hi of wires that Z_i acts on, the others not being touched yet.
        lo, hi, z = i, i, _Z @ single[i]
        for block in reversed(blocks):
            a = block.first
            if a + 1 < lo or a > hi:
                continue
            if a + 1 == lo:
                z, lo = _widened(z, 1, 0), a
            elif a == hi:
                z, hi = _widened(z, 0, 1), a + 1
            z = _applied(z, block.transfer, a - lo, hi - a - 1)
        rows.append(_widened(z, lo, n - 1 - hi).reshape(4 ** (n // 2), -1))
    return np.stack(rows)


def _widened(z: Array, before: int, after: int) -> Array:
    """The same, with the identity on so many wires before and after."""
    wide = np.zeros((4**before, len(z), 4**after))
    wide[0, :, 0] = z
    return wide.reshape(-1)


def _applied(z: Array, transfer: Array, before: int, after: int) -> Array:
    """z'_b = sum_a z_a R_ab on two neighbours, with so many wires before and after them."""
    if after == 0:
        last: Array = (z.reshape(-1, 16) @ transfer).reshape(-1)
        return last
    inner: Array = np.matmul(transfer.T, z.reshape(4**before, 16, 4**after)).reshape(-1)
    return inner


def expectations(tables: Array, q: Array, k: Array) -> Array:
    """<Z_i> of inputs.

    Args:
        tables: of `tables`.
        q: query angles in radians, shape (B, n).
        k: key angles in radians, shape (B, n).

    Returns:
        z in [-1, 1], shape (B, n).
    """
    n, half = q.shape[1], q.shape[1] // 2
    r = np.stack((np.ones_like(q), np.sin(q) * np.cos(k), np.sin(q) * np.sin(k), np.cos(q)), -1)
    left, right = _products(r[:, :half]), _products(r[:, half:])  # (B, 4^n'), (B, 4^n'')
    inner = (left @ tables.transpose(1, 0, 2).reshape(left.shape[1], -1)).reshape(len(q), n, -1)
    z: Array = np.matmul(inner, right[:, :, None])[..., 0]
    return z


def _products(r: Array) -> Array:
    """Kronecker products of Bloch vectors (B, m, 4): (B, 4^m)."""
    out = np.ones((len(r), 1))
    for j in range(r.shape[1]):
        out = (out[:, :, None] * r[:, j, None, :]).reshape(len(r), -1)
    return out
