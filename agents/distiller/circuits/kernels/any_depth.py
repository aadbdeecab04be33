"""Circuits of one to four layers with frozen weights: `contraction`, compiled.

Of a step's matrix only the terms that exist are stored (`bonds.Step`), as a list, and all samples
of a block go through it together. Each term reads the product of a bond state and a component of
the Bloch vector; those that occur, the *lifts*, are formed once a step.
"""

import numpy as np

from agents.distiller.circuits.kernels.machine import BLOCK, Array, compiled, sin_cos


RIGHTWARDS, LEFTWARDS, MEASURED = range(3)
"""The steps of `bonds.Bonds`; their lifts and terms stand one behind the other in this order."""


@compiled
def any_depth(
    q: Array, k: Array, ends: Array, bounds: Array, lifts: Array, terms: Array, values: Array,
    z: Array,
) -> None:  # fmt: skip
    """<Z_i> by contraction from both ends.

    Args:
        q: (B, P, n), contiguous, float32 or float64 as everything but indices here.
        k: (B, P, n), contiguous.
        ends: (2, states), the vectors beyond the first and beyond the last qubit.
        bounds: (2, 4), where each step's lifts and terms begin and the last one's end.
        lifts: (2, F), the Bloch component of each lift, 0 to 3, and its bond state.
        terms: (2, E), the lift that each term reads, counted within its step, and the bond state
            that it adds to, ascending.
        values: (P, n, E), the coefficient of each term.
        z: (B, P, n), written.
    """
    samples, circuits, n = q.shape
    states = ends.shape[1]
    step = (bounds, lifts, terms, values)
    bloch = np.ones((4 * n, BLOCK), q.dtype)
    lifted = np.empty((lifts.shape[1], BLOCK), q.dtype)
    right = np.empty(((n + 1) * states, BLOCK), q.dtype)  # what reaches each qubit from the right
    left = np.empty((2 * states, BLOCK), q.dtype)  # from the left: this qubit's and the next one's
    across = np.zeros((states, BLOCK), q.dtype)  # some states are never reached
    for s in range(states):
        for j in range(BLOCK):
            right[n * states + s, j] = ends[1, s]
    for p in range(circuits):
        for start in range(0, samples, BLOCK):
            size = min(BLOCK, samples - start)
            _bloch(bloch, q, k, p, start, size)
            for i in range(n - 1, 0, -1):
                read, write = (i + 1) * states, i * states
                _step(step, LEFTWARDS, p, i, bloch, right, read, lifted, right, write, size)
            for s in range(states):
                for j in range(size):
                    left[s, j] = ends[0, s]
            for i in range(n):
                here, there = i % 2 * states, (i + 1) % 2 * states
                _step(step, MEASURED, p, i, bloch, left, here, lifted, across, 0, size)
                _meet(across, right, (i + 1) * states, lifted, size)
                for j in range(size):
                    z[start + j, p, i] = lifted[0, j]
                if i + 1 < n:
                    _step(step, RIGHTWARDS, p, i, bloch, left, here, lifted, left, there, size)


@compiled
def _bloch(bloch: Array, q: Array, k: Array, p: int, start: int, size: int) -> None:
    """Rows 4 i + 1, 2, 3: the components x, z, y of qubit i, in the order of the letters."""
    n = q.shape[2]
    for j in range(size):
        for i in range(n):
            bloch[4 * i + 1, j] = q[start + j, p, i]
            bloch[4 * i + 2, j] = k[start + j, p, i]
    for i in range(n):
        for j in range(size):
            sin_q, cos_q = sin_cos(bloch[4 * i + 1, j], bloch.dtype.type)
            sin_k, cos_k = sin_cos(bloch[4 * i + 2, j], bloch.dtype.type)
            bloch[4 * i + 1, j] = sin_q * cos_k
            bloch[4 * i + 2, j] = cos_q
            bloch[4 * i + 3, j] = sin_q * sin_k


@compiled
def _step(
    step: tuple[Array, Array, Array, Array],
    kind: int,
    p: int,
    i: int,
    bloch: Array,
    before: Array,
    read: int,
    lifted: Array,
    after: Array,
    write: int,
    size: int,
) -> None:
    """Past qubit i, from the rows of `before` at `read` to those of `after` at `write`."""
    bounds, lifts, terms, values = step
    first = bounds[0, kind]
    for f in range(first, bounds[0, kind + 1]):
        pauli, source = 4 * i + lifts[0, f], read + lifts[1, f]
        for j in range(size):
            lifted[f - first, j] = before[source, j] * bloch[pauli, j]
    previous = -1
    for e in range(bounds[1, kind], bounds[1, kind + 1]):
        lift, target, value = terms[0, e], write + terms[1, e], values[p, i, e]
        if target == previous:
            for j in range(size):
                after[target, j] += value * lifted[lift, j]
        else:
            for j in range(size):
                after[target, j] = value * lifted[lift, j]
        previous = target


@compiled
def _meet(across: Array, right: Array, read: int, result: Array, size: int) -> None:
    """The product of two vectors over the bond, in the first row of `result`."""
    for j in range(size):
        result[0, j] = across[0, j] * right[read, j]
    for s in range(1, len(across)):
        for j in range(size):
            result[0, j] += across[s, j] * right[read + s, j]
