"""The circuit, in several ways that the tests hold together.

- `reference`: written once, in PennyLane; also the way to other simulators and to real devices.
- `closed_form` (L = 2) and `contraction` (L = 1 to 4): exact, differentiable, in torch, O(n).
- `compiled`: the same as machine code; `exact` chooses between these, `backend` among all.

Importing this package imports neither PennyLane nor numba.
"""

from torch import Tensor

from agents.distiller.circuits import closed_form, contraction
from agents.distiller.circuits.angles import check
from agents.distiller.circuits.closed_form import unentangled

__all__ = ["entangled", "unentangled"]


def entangled(q: Tensor, k: Tensor, w: Tensor) -> Tensor:
    """<Z_i> of the circuit of `reference.pair_circuit`, in torch: any device, gradients of any
    order.

    Args:
        q: query angles in radians, shape (..., n), n >= 2.
        k: key angles in radians, shape (..., n).
        w: trained angles in radians, shape (..., L, n, 2) with L = 1 to 4; its leading dimensions
            are aligned with the last ones of `q`, so (P, L, n, 2) for (B, P, n).

    Returns:
        z in [-1, 1], shape (..., n).

    Raises:
        ValueError: `w` is not a weight for the n of `q`, or has too many layers.
    """
    check(q, w)
    if w.shape[-3] == 2:
        return closed_form.entangled(q, k, w)
    return contraction.entangled(q, k, w)
