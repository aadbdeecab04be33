"""What every exact form of the circuit starts from: the angles, in the order it wants them."""

from math import prod
from typing import NamedTuple

import numpy as np
from torch import Tensor


class Angles(NamedTuple):
    """P circuits of n qubits and L layers, and B samples of each."""

    q: Tensor
    """(B, P, n)."""
    k: Tensor
    """(B, P, n)."""
    w: Tensor
    """(P, L, n, 2)."""
    lead: tuple[int, ...]
    """The leading dimensions of the result: (B, P, n) is to be reshaped to (*lead, n)."""


def arrange(q: Tensor, k: Tensor, w: Tensor) -> Angles:
    """Bring angles with any leading dimensions into one form.

    Args:
        q: query angles in radians, shape (..., n), n >= 2.
        k: key angles in radians, shape (..., n).
        w: trained angles in radians, shape (..., L, n, 2); its leading dimensions are aligned with
            the last ones of `q` and `k`, and all broadcast.

    Raises:
        ValueError: `w` is not a weight for the n of `q`.
    """
    check(q, w)
    if q.ndim == 3 and k.shape == q.shape and w.shape[:-3] == q.shape[1:2]:
        return Angles(q, k, w, q.shape[:-1])  # as the model has them
    n = q.shape[-1]
    own = w.ndim - 3
    lead = np.broadcast_shapes(q.shape[:-1], k.shape[:-1], w.shape[:-3])
    samples, circuits = lead[: len(lead) - own], lead[len(lead) - own :]
    size = (prod(samples), prod(circuits), n)
    q, k = (x.expand(*lead, n).reshape(size) for x in (q, k))
    w = w.expand(*circuits, *w.shape[-3:]).reshape(size[1], *w.shape[-3:])
    return Angles(q, k, w, lead)


def qubits_first(q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
    """(B, P, n) to (n, P, B), in memory too: a scan along the qubits then reads what lies together,
    and what belongs to a circuit goes with whole rows."""
    return q.permute(2, 1, 0).contiguous(), k.permute(2, 1, 0).contiguous()


def check(q: Tensor, w: Tensor, layers: int | None = None) -> None:
    """Refuse weights of another circuit.

    Raises:
        ValueError: `w` is not of shape (..., L, n, 2) for the n of `q` and, where given, `layers`.
    """
    n = q.shape[-1]
    wanted = (w.shape[-3] if w.ndim > 2 else 0) if layers is None else layers
    if n < 2 or wanted < 1 or w.shape[-3:] != (wanted, n, 2):
        shown = "L" if layers is None else layers
        raise ValueError(
            f"expected w of shape (..., {shown}, {n}, 2) and n >= 2, got {tuple(w.shape)}"
        )


def bloch(q: Tensor, k: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Bloch vector (x, y, z) of RZ(k) RY(q) |0>; shapes broadcast."""
    sine = q.sin()
    return sine * k.cos(), sine * k.sin(), q.cos()
