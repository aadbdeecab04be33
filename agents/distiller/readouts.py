"""From angles to numbers in [-1, 1]: the circuit, and the controls that stand in for it.

All take angles q and k (..., n) and weights (..., L, n, 2), and give z (..., n). In the circuits
the last RZ turns about the measured axis, so one weight in 2 L never matters; the classical twin
uses all of them and, if anything, is given the advantage.
"""

from math import pi

import torch
from torch import Tensor

from agents.distiller.circuits import unentangled
from agents.distiller.circuits.backend import EXACT, Readout
from agents.distiller.circuits.exact import exact

NO_DEVICE = "none"


def polynomial(q: Tensor, k: Tensor, w: Tensor) -> Tensor:
    """The classical twin: `tanh(a q + b k + c q k + d)` with q and k scaled to [-1, 1].

    So for L = 2, which has four weights a slot; other L take the first 2 L of the monomials
    below, up to L = 4.
    """
    q, k = q / pi, k / pi
    one = torch.ones_like(q)
    monomials = (q, k, q * k, one, q * q, k * k, q * q * k, q * k * k)
    terms = w.reshape(*w.shape[:-3], -1, w.shape[-2]).unbind(-2)  # 2 L times (..., n)
    total = torch.zeros((), dtype=q.dtype)
    for weight, monomial in zip(terms, monomials, strict=False):
        total = total + weight * monomial
    return torch.tanh(total)


def device_of(readout: Readout | None) -> tuple[str, int | None]:
    """Returns what runs the circuits of a readout, `none` for one without, and the shots of each.

    No shots mean exact expectations.
    """
    if readout in (exact, unentangled):
        return EXACT, None
    return getattr(readout, "name", NO_DEVICE), getattr(readout, "shots", None)


READOUTS: dict[str, Readout] = {
    "hybrid": exact,
    "classical-twin": polynomial,
    "no-entanglement": unentangled,
}
