"""The backend `exact`: the circuit in its exact form, as fast as its arguments allow.

On a CPU, in float32 or float64, that is machine code (`compiled`): for L = 2 also where gradients
are wanted, for other depths where none are. Everything else is torch's: `circuits.entangled`.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from agents.distiller.circuits import entangled
from agents.distiller.circuits.angles import arrange


def exact(q: Tensor, k: Tensor, w: Tensor) -> Tensor:
    """<Z_i> of the circuit of `reference.pair_circuit`; gradients of the first order.

    Args, returns and errors: as `circuits.entangled`, with the same numbers to rounding. Angles up
    to some 10^4 radians.
    """
    given = (q, k, w)
    wanted = torch.is_grad_enabled() and any(x.requires_grad for x in given)
    if (
        any(x.device.type != "cpu" or x.dtype != q.dtype for x in given)
        or q.dtype not in (torch.float32, torch.float64)
        or (wanted and w.shape[-3:-2] != (2,))
    ):
        return entangled(q, k, w)
    from agents.distiller.circuits import compiled  # numba, only where a circuit runs

    angles = arrange(q, k, w)
    z: Tensor
    if wanted:
        constants = compiled.two_layer_constants(angles.w)
        z = _TwoLayers.apply(angles.q, angles.k, constants)  # type: ignore[no-untyped-call]
    else:
        z = torch.from_numpy(compiled.entangled(*(x.detach().numpy() for x in angles[:3])))
    return z.reshape(*angles.lead, q.shape[-1])


class _TwoLayers(torch.autograd.Function):
    """`compiled.two_layer` with its gradient."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, constants: Tensor) -> Tensor:
        from agents.distiller.circuits import compiled

        ctx.save_for_backward(q, k, constants)
        return torch.from_numpy(
            compiled.two_layer(*(x.detach().numpy() for x in (q, k, constants)))
        )

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dz: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        from agents.distiller.circuits import compiled

        given = (x.detach().numpy() for x in (*ctx.saved_tensors, dz))
        dq, dk, d_constants = compiled.two_layer_gradient(*given)
        return torch.from_numpy(dq), torch.from_numpy(dk), torch.from_numpy(d_constants)
