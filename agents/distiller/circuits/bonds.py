"""How the circuit's Heisenberg picture falls into one small step per qubit: the structure.

Walking back from Z_i, every layer is undone in turn: first its rotations, which mix the Pauli
operators X, Y, Z of a qubit among themselves, then its CNOT ladder, which maps products of Paulis
to products of Paulis. Written as bits, P = X^x Z^z up to a phase, CNOT(i, i+1) copies the x of
qubit i to i+1 and the z of i+1 to i. So all that neighbours know of each other is, per layer, one
such pair of bits, (x that goes right, z that goes left): one of I, X, Z, Y. A *bond state* is one
letter per layer undone, and 4^L of them would do. Most never occur. Left of the measured qubit
there is no operator until a z arrives from the right, so the first letter that is not I is a Z;
right of it, for the same reason, an X. That leaves (4^L + 2) / 3 states: 2, 6, 22, 86.

A *step* is one qubit: given the bond states on its left and right its Paulis are fixed in every
layer, so each possible pair of states is one term, the product of L elements of rotations and of
one component of the qubit's Bloch vector. Few pairs are possible (10, 82, 730 for L = 2, 3, 4).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

DEPTHS = range(1, 5)
"""The numbers of layers for which the bond is small enough to be worth it."""

# A letter is the number x + 2 z of its bits.
I, X, Z, Y = range(4)  # noqa: E741 - the identity's name
_State = tuple[int, ...]


class _Term(NamedTuple):
    left: int
    right: int
    pauli: int
    sign: int
    elements: list[int]


# Rotations leave the identity alone, and the RZ that is undone first turns about Z.
_MIXES = {(I, I), (X, X), (X, Y), (X, Z), (Y, X), (Y, Y), (Y, Z), (Z, X), (Z, Z)}


@dataclass(frozen=True, slots=True)
class Step:
    """What one qubit does to a vector over the bond states on one side of it: E terms."""

    states: int
    """Of the vectors before and after; they are equally many."""
    source: NDArray[np.intp]
    """(E,): the state that a term reads."""
    target: NDArray[np.intp]
    """(E,), ascending: the state that it adds to."""
    pauli: NDArray[np.intp]
    """(E,): the letter of the Bloch component that it takes; 1 for I."""
    sign: NDArray[np.float64]
    """(E,): 1 or -1."""
    elements: NDArray[np.intp]
    """(E, L): its factors, per layer undone the element 4 * from + to of the rotation's matrix."""


@dataclass(frozen=True, slots=True)
class Bonds:
    """The contraction of all <Z_i> of a circuit with L layers."""

    left_end: NDArray[np.float64]
    """(states,): the vector left of the first qubit."""
    right_end: NDArray[np.float64]
    """(states,): the vector right of the last qubit."""
    rightwards: Step
    """Past a qubit left of the measured one."""
    leftwards: Step
    """Past a qubit right of it, from right to left."""
    measured: Step
    """Across the measured qubit, from a vector on its left to one on its right."""


@cache
def bonds(layers: int) -> Bonds:
    """The structure for a depth; the same for any number of qubits and any weights.

    Raises:
        ValueError: more layers than `DEPTHS`.
    """
    if layers not in DEPTHS:
        raise ValueError(
            f"{layers} layers are not contracted exactly, only {DEPTHS[0]} to {DEPTHS[-1]};"
            " take default.qubit or lightning.qubit for more"
        )
    left, right = _states(layers, first=Z), _states(layers, first=X)
    return Bonds(
        # What would go beyond the ends is lost, and nothing comes from there.
        left_end=np.array([float(not any(_bits(c)[0] for c in state)) for state in left]),
        right_end=np.array([float(not any(_bits(c)[1] for c in state)) for state in right]),
        rightwards=_step(_terms(left, left, start=I), len(left)),
        leftwards=_step(_terms(right, right, start=I), len(right), from_right=True),
        measured=_step(_terms(left, right, start=Z), len(left)),
    )


def _states(layers: int, first: int) -> list[_State]:
    """Those whose first letter other than I is `first`."""
    every = product((I, X, Z, Y), repeat=layers)
    return [state for state in every if next(filter(None, state), first) == first]


def _terms(left: list[_State], right: list[_State], start: int) -> Iterator[_Term]:
    """Of a qubit that the observable asks for `start`: I, or Z where it is measured."""
    for (a, on_left), (b, on_right) in product(enumerate(left), enumerate(right)):
        pauli, sign = start, 1
        elements: list[int] = []
        for letter_left, letter_right in zip(on_left, on_right, strict=True):
            (x_in, z_out), (x_out, z_in) = _bits(letter_left), _bits(letter_right)
            turned = x_out + 2 * (z_out ^ z_in)  # what the rotation must make of it
            if (pauli, turned) not in _MIXES:
                break
            elements.append(4 * pauli + turned)
            pauli = (x_out ^ x_in) + 2 * z_out  # what the ladder makes of that
            # CNOT maps XZ to -YY and YY to -XZ; the sign is shared out between the two qubits.
            sign *= (-1) ** (x_out * z_out * (x_in + z_in))
        else:
            yield _Term(a, b, pauli, sign, elements)


def _step(terms: Iterator[_Term], states: int, *, from_right: bool = False) -> Step:
    found = list(terms)
    source = np.array([t.right if from_right else t.left for t in found], dtype=np.intp)
    target = np.array([t.left if from_right else t.right for t in found], dtype=np.intp)
    order = np.lexsort((source, target))
    return Step(
        states=states,
        source=source[order],
        target=target[order],
        pauli=np.array([t.pauli for t in found], dtype=np.intp)[order],
        sign=np.array([t.sign for t in found], dtype=np.float64)[order],
        elements=np.array([t.elements for t in found], dtype=np.intp)[order],
    )


def _bits(letter: int) -> tuple[int, int]:
    """(x, z)."""
    return letter & 1, letter >> 1
