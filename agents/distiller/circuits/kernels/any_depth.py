"""Circuits of one to four layers with frozen weights: `contraction`, compiled.

Of a step's matrix only the terms that exist are stored (`bonds.Step`), as a list, and all samples
of a block go through it together. Each term reads the product of a bond state and a component of
the Bloch vector; those that occur, the *lifts*, are formed once a step.
"""

from typing import Any

import numpy as np

from agents.distiller.circuits.kernels.machine import BLOCK, Array, compiled, sin_cos

# Rows of `bounds`. Of numpy's type: for each literal integer numba would compile `_step` anew.
_RIGHTWARDS, _LEFTWARDS, _MEASURED = np.arange(3)


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
        bounds: (3, 4), where the lifts of each step begin and end, and where its terms do; the
            steps are those of `bonds.Bonds`: rightwards, leftwards, measured.
        lifts: (2, F), the Bloch component of each lift, 0 to 3, and its bond state.
        terms: (2, E), the lift that each term reads, counted within its step, and the bond state
            that it adds to, ascending.
        values: (P, n, E), the coefficient of each term.
        z: (B, P, n), written.
    """
    samples, circuits, n = q.shape
    states = ends.shape[1]
    weights = (bounds, lifts, terms, values)
    flat = np.ones(4 * n * BLOCK, q.dtype)
    bloch = flat.reshape(4 * n, BLOCK)
    lifted = np.empty((lifts.shape[1], BLOCK), q.dtype)
    # A vector over the bond is so many rows: n + 1 that reach each qubit from the right, two from
    # the left (this qubit's and the next one's), and one that has crossed the measured qubit. Of
    # that some rows are never written.
    vectors = np.zeros(((n + 4) * states, BLOCK), q.dtype)
    left, across = (n + 1) * states, (n + 3) * states
    for s in range(states):
        for j in range(BLOCK):
            vectors[n * states + s, j] = ends[1, s]
    for p in range(circuits):
        for start in range(0, samples, BLOCK):
            size = min(BLOCK, samples - start)
            _bloch(flat, q, k, p, start, size)
            for i in range(n - 1, 0, -1):
                read, write = (i + 1) * states, i * states
                _step(weights, _LEFTWARDS, p, i, bloch, vectors, read, write, lifted, size)
            for s in range(states):
                for j in range(size):
                    vectors[left + s, j] = ends[0, s]
            for i in range(n):
                here, there = left + i % 2 * states, left + (i + 1) % 2 * states
                _step(weights, _MEASURED, p, i, bloch, vectors, here, across, lifted, size)
                _meet(vectors, across, (i + 1) * states, states, lifted, size)
                for j in range(size):
                    z[start + j, p, i] = lifted[0, j]
                if i + 1 < n:
                    _step(weights, _RIGHTWARDS, p, i, bloch, vectors, here, there, lifted, size)


@compiled
def _bloch(flat: Array, q: Array, k: Array, p: int, start: int, size: int) -> None:
    """Rows 4 i + 1, 2, 3: the components x, z, y of qubit i, in the order of the letters.

    Rows are counted by hand: LLVM then sees that they do not overlap.
    """
    n = q.shape[2]
    for j in range(size):
        for i in range(n):
            flat[(4 * i + 1) * BLOCK + j] = q[start + j, p, i]
            flat[(4 * i + 2) * BLOCK + j] = k[start + j, p, i]
    for i in range(n):
        at = 4 * i * BLOCK
        for j in range(size):
            sin_q, cos_q = sin_cos(flat[at + BLOCK + j], flat.dtype.type)
            sin_k, cos_k = sin_cos(flat[at + 2 * BLOCK + j], flat.dtype.type)
            flat[at + BLOCK + j] = sin_q * cos_k
            flat[at + 2 * BLOCK + j] = cos_q
            flat[at + 3 * BLOCK + j] = sin_q * sin_k


@compiled
def _step(
    weights: tuple[Array, Array, Array, Array],
    kind: np.signedinteger[Any],
    p: int,
    i: int,
    bloch: Array,
    vectors: Array,
    read: int,
    write: int,
    lifted: Array,
    size: int,
) -> None:
    """Past qubit i: from the rows of `vectors` at `read` to those at `write`."""
    bounds, lifts, terms, values = weights
    first = bounds[kind, 0]
    for f in range(first, bounds[kind, 1]):
        pauli, source = 4 * i + lifts[0, f], read + lifts[1, f]
        for j in range(size):
            lifted[f - first, j] = vectors[source, j] * bloch[pauli, j]
    previous = -1
    for e in range(bounds[kind, 2], bounds[kind, 3]):
        lift, target, value = terms[0, e], write + terms[1, e], values[p, i, e]
        if target == previous:
            for j in range(size):
                vectors[target, j] += value * lifted[lift, j]
        else:
            for j in range(size):
                vectors[target, j] = value * lifted[lift, j]
        previous = target


@compiled
def _meet(vectors: Array, left: int, right: int, states: int, result: Array, size: int) -> None:
    """The product of two vectors over the bond, in the first row of `result`."""
    for j in range(size):
        result[0, j] = 0
    for s in range(states):
        for j in range(size):
            result[0, j] += vectors[left + s, j] * vectors[right + s, j]
