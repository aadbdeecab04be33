"""Which qubits of a device a circuit gets: the important values on the qubits that hold them best.

The circuit's ladder needs a contiguous stretch of the line, in either direction. Each value's error
there is predicted from the calibration, and the stretch with the least error, weighted by what the
values matter to the decision, is taken (noise-adaptive mapping: Murali et al., ASPLOS 2019).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.lab.noise.device import Device

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Place:
    """The qubits start .. start + n - 1 of a line; reversed, the last of them is the first wire."""

    start: int
    reverse: bool = False


def predicted_errors(segment: Device, layers: int) -> Array:
    """Roughly how far off <Z_i> will be, shape (n,).

    What it is read wrongly, plus what the waits and the CNOTs that it depends on make of it: each
    ladder takes it through those of all wires before it, and the next.

    Args:
        segment: the qubits, in the order of the circuit's wires.
        layers: number of CNOT ladders.
    """
    n = len(segment)
    read = np.array(segment.read_1_for_0) + np.array(segment.read_0_for_1)
    rate = 1 / np.array(segment.t1) + 1 / np.array(segment.t2)  # per us
    us = np.array(segment.cnot_ns) / 1000
    # A qubit waits out the rest of the last ladder, and goes through two CNOTs of each.
    waits = us.sum() - np.concatenate(([0.0], np.cumsum(us)))
    busy = layers * (np.append(us, 0.0) + np.concatenate(([0.0], us)))
    through = np.cumsum(np.append(segment.cnot_error, 0.0))[np.minimum(np.arange(n) + 1, n - 1)]
    errors: Array = read + (waits + busy) * rate / 2 + layers * through
    return errors


def cost(device: Device, place: Place, importance: Sequence[float], layers: int) -> float:
    """Predicted error at a place, weighted by importance, one per wire."""
    segment = device.segment(place.start, len(importance), reverse=place.reverse)
    return float(predicted_errors(segment, layers) @ np.asarray(importance))


def place(
    device: Device, importance: Sequence[float], layers: int, copies: int = 1
) -> tuple[Place, ...]:
    """The best disjoint places for a circuit's copies.

    Args:
        device: the line.
        importance: of each wire's value, not negative, n numbers.
        layers: of the circuit.
        copies: how many.

    Returns:
        The places with the least total cost, the best first.

    Raises:
        ValueError: the line is too short for so many copies.
    """
    n = len(importance)
    if copies * n > len(device):
        raise ValueError(f"{copies} copies of {n} qubits do not fit on a line of {len(device)}")

    def at(start: int) -> tuple[float, Place]:
        both = [Place(start, reverse) for reverse in (False, True)]
        return min(((cost(device, p, importance, layers), p) for p in both), key=lambda x: x[0])

    # best[c] holds, of c copies within the first `end` qubits, the least cost and the places.
    one = {start: at(start) for start in range(len(device) - n + 1)}
    empty: tuple[float, tuple[tuple[float, Place], ...]] = (0.0, ())
    best = {(0, end): empty for end in range(len(device) + 1)}
    for c in range(1, copies + 1):
        for end in range(c * n, len(device) + 1):
            here = one[end - n]
            before = best[c - 1, end - n]
            options = [(before[0] + here[0], (*before[1], here))]
            if (c, end - 1) in best:
                options.append(best[c, end - 1])
            best[c, end] = min(options, key=lambda x: x[0])
    found = best[copies, len(device)][1]
    return tuple(p for _, p in sorted(found, key=lambda x: x[0]))
