"""<Z_i> of the circuit of any depth up to four layers, exactly, by contraction along the qubits.

The Heisenberg picture of each Z_i is a chain of small steps, one a qubit (`bonds`): vectors over
the bond's 2, 6, 22 or 86 states are carried from both ends to every qubit in one pass each, and
meet at the qubit that is measured. O(n) per sample, no state vector, no approximation: n = 16
costs twice what n = 8 does. The matrices of a step depend on the weights alone and serve all
samples; what a sample adds is its Bloch vectors.

Differentiable by autograd. For L = 2 `closed_form` is the same thing worked out by hand.
"""

import torch
from torch import Tensor

from agents.distiller.circuits.angles import arrange, bloch, qubits_first
from agents.distiller.circuits.bonds import Step, bonds


def entangled(q: Tensor, k: Tensor, w: Tensor) -> Tensor:
    """<Z_i> of the circuit of `reference.pair_circuit`.

    Args:
        q: query angles in radians, shape (..., n), n >= 2.
        k: key angles in radians, shape (..., n).
        w: trained angles in radians, shape (..., L, n, 2) with L = 1 to 4; its leading dimensions
            are aligned with the last ones of `q`.

    Returns:
        z in [-1, 1], shape (..., n).

    Raises:
        ValueError: `w` is not a weight for the n of `q`, or has too many layers.
    """
    angles = arrange(q, k, w)
    structure = bonds(angles.w.shape[1])
    x, y, z = bloch(*qubits_first(angles.q, angles.k))
    vectors = torch.stack((torch.ones_like(x), x, z, y), dim=-1)  # (n, P, B, 4), as letters
    turns = rotations(angles.w)
    left = _carry(structure.left_end, matrices(structure.rightwards, turns), vectors)
    right = _carry(
        structure.right_end, matrices(structure.leftwards, turns).flip(0), vectors.flip(0)
    ).flip(0)
    across = _apply(matrices(structure.measured, turns), vectors, left)
    return (across * right).sum(-1).permute(2, 1, 0).reshape(*angles.lead, q.shape[-1])


def rotations(w: Tensor) -> Tensor:
    """What undoing RY(theta) RZ(phi) makes of I, X, Z, Y: (P, L, n, 2) to (P, L, n, 16).

    Layers are in the order in which they are undone, the last of the circuit first. Element
    4 a + b is the share of Pauli b in what becomes of Pauli a.
    """
    theta, phi = w.flip(1).unbind(-1)
    ct, st, cp, sp = theta.cos(), theta.sin(), phi.cos(), phi.sin()
    zero, one = torch.zeros_like(ct), torch.ones_like(ct)
    rows = (
        (one, zero, zero, zero),
        (zero, cp * ct, cp * st, -sp),
        (zero, -st, ct, zero),
        (zero, sp * ct, sp * st, cp),
    )
    return torch.stack([element for row in rows for element in row], dim=-1)


def coefficients(step: Step, turns: Tensor) -> Tensor:
    """The weights' part of each term of a step: (P, L, n, 16) to (P, n, E)."""
    elements = torch.from_numpy(step.elements)
    result = torch.from_numpy(step.sign).to(turns)
    for layer, chosen in zip(turns.unbind(1), elements.unbind(1), strict=True):
        result = result * layer[..., chosen]
    return result


def matrices(step: Step, turns: Tensor) -> Tensor:
    """A step at every qubit as (n, P, 4 states, states), for `_apply`."""
    values = coefficients(step, turns)
    place = (step.pauli * step.states + step.source) * step.states + step.target
    filled = values.new_zeros(*values.shape[:-1], 4 * step.states**2).index_copy(
        -1, torch.from_numpy(place).to(values.device), values
    )
    return filled.reshape(*values.shape[:-1], 4 * step.states, step.states).transpose(0, 1)


def _apply(matrix: Tensor, vectors: Tensor, state: Tensor) -> Tensor:
    """One step of (..., B, states), with the Bloch vectors (..., B, 4) of its qubit."""
    return (vectors.unsqueeze(-1) * state.unsqueeze(-2)).flatten(-2) @ matrix


def _carry(end: object, matrix: Tensor, vectors: Tensor) -> Tensor:
    """The vectors that reach each qubit, (n, P, B, states), from beyond the first one."""
    state = torch.as_tensor(end).to(vectors).expand(*vectors.shape[1:3], -1)
    reached = [state]
    for here, qubit in zip(matrix[:-1].unbind(), vectors[:-1].unbind(), strict=True):
        state = _apply(here, qubit, state)
        reached.append(state)
    return torch.stack(reached)
