"""What the kernels share: sines and cosines, the compiler's settings at hand.

numba's cache notices when the file of a kernel changes, but not when this one does: whoever edits
it must delete `__pycache__/*.nb?` beside it.
"""

from math import factorial, pi
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.machine_code import compiled

__all__ = ["BLOCK", "Array", "compiled", "sin_cos"]

Array = NDArray[Any]

BLOCK = 64
"""Samples that are worked through together: a few rows of so many fit into the first cache."""

# Taylor's coefficients, highest power first, in the square of an angle within pi / 2: the first
# terms left out are 3e-16 and 2e-17.
_SINE = tuple((-1) ** i / factorial(2 * i + 1) for i in reversed(range(10)))
_COSINE = tuple((-1) ** i / factorial(2 * i) for i in reversed(range(11)))
# pi in two parts: any multiple of the first that matters is exact even in float32.
_PI_HIGH, _PI_LOW = 3.140625, 9.676535897932384626e-4


@compiled
def sin_cos(angle: Any, real: Any) -> Any:
    """(sin, cos), without branches or integers, so that a loop over it vectorises; numpy's of
    float64 would take longer than all the rest of a circuit.

    Accurate to a few ulp up to some 10^4 radians (the model's angles are within pi). `real` is the
    type to compute in.
    """
    half_turns = np.floor(angle * real(1 / pi) + real(0.5))
    rest = (angle - half_turns * real(_PI_HIGH)) - half_turns * real(_PI_LOW)
    square = rest * rest
    sine = real(0)
    for coefficient in _SINE:
        sine = sine * square + real(coefficient)
    cosine = real(0)
    for coefficient in _COSINE:
        cosine = cosine * square + real(coefficient)
    sign = real(1) - real(2) * (half_turns - real(2) * np.floor(half_turns * real(0.5)))
    return sign * rest * sine, sign * cosine
