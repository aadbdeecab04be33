"""Quantum cross-attention between every ordered pair of modalities that arrived.

For a pair (s, t) the query of s and the key of t become angles of a small circuit; its
expectations z say how much of each slot of t's value goes to s. Two controls share the
interface and the number of parameters, so that the benchmark can say what the circuit is worth:

- `hybrid`: the circuit with its CNOT ladders;
- `no-entanglement`: the same circuit without them, n qubits that turn on their own;
- `classical-twin`: a bilinear unit per slot, `tanh(a q + b k + c q k + d)`.

All three hold 4 numbers per slot and pair. In the circuits the last RZ turns about the measured
axis, so one of the four never matters; the twin, if anything, is given the advantage.
"""

from collections.abc import Callable
from math import pi
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from agents.distiller.circuits.closed_form import entangled, unentangled

Variant = Literal["hybrid", "classical-twin", "no-entanglement"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)


def bilinear(q: Tensor, k: Tensor, w: Tensor) -> Tensor:
    """The classical twin: shapes as `closed_form.entangled`; q and k are scaled to [-1, 1]."""
    q, k = q / pi, k / pi
    a, b, c, d = w.reshape(*w.shape[:-3], 4, w.shape[-2]).unbind(-2)  # each (..., n)
    return torch.tanh(a * q + b * k + c * q * k + d)


READOUTS: dict[Variant, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "hybrid": entangled,
    "classical-twin": bilinear,
    "no-entanglement": unentangled,
}


class QuantumCrossAttention(nn.Module):
    """Cross-attention of M modalities, B units, P = M (M - 1) ordered pairs, n qubits.

    Projections belong to a modality (as source W_q, as target W_k and W_v), circuits to a pair.
    Pairs are in the order (0,1), (0,2), ..., (1,0), (1,2), ...: source first.

    Raises:
        ValueError: `dim` does not divide into `qubits` slots, or there is only one modality.
    """

    target: Tensor  # (P,): the target of each pair

    def __init__(
        self, modalities: int, dim: int, qubits: int = 8, variant: Variant = "hybrid"
    ) -> None:
        super().__init__()
        if dim % qubits or modalities < 2:
            raise ValueError(f"dim {dim} must divide into {qubits} slots, modalities be at least 2")
        m, n = modalities, qubits
        self.modalities, self.dim, self.qubits = m, dim, n
        self.readout = READOUTS[variant]
        self.w_q = nn.Parameter(torch.randn(m, dim, n) * 0.5 * dim**-0.5)
        self.w_k = nn.Parameter(torch.randn(m, dim, n) * 0.5 * dim**-0.5)
        self.w_v = nn.Parameter(torch.randn(m, dim, dim) * dim**-0.5)
        self.w = nn.Parameter(torch.randn(m * (m - 1), 2, n, 2) * 0.5)
        self.tau = nn.Parameter(torch.ones(()))
        pairs = [t for s in range(m) for t in range(m) if s != t]
        self.register_buffer("target", torch.tensor(pairs), persistent=False)

    def forward(self, h: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Attend.

        Args:
            h: encodings, (B, M, D), zero where a modality is absent.
            mask: bool, (B, M), True where it arrived.

        Returns:
            h' = h + the mean over its arrived targets of `out`, (B, M, D), zero where absent; and
            z in [-1, 1], (B, P, n), zero for pairs that are not complete.
        """
        m, n = self.modalities, self.qubits
        q = pi * torch.tanh(torch.einsum("bmd,mdn->bmn", h, self.w_q))
        k = pi * torch.tanh(torch.einsum("bmd,mdn->bmn", h, self.w_k))
        v = torch.einsum("bmd,mde->bme", h, self.w_v)

        q = q.repeat_interleave(m - 1, dim=1)  # (B, P, n): the query of each pair's source
        k = k.index_select(1, self.target)  # (B, P, n): the key of each pair's target
        v = v.index_select(1, self.target)  # (B, P, D)
        pair = (mask.repeat_interleave(m - 1, dim=1) & mask[:, self.target]).unsqueeze(-1)

        z = self.readout(q, k, self.w)  # (B, P, n)
        a = torch.softmax(self.tau * z, dim=-1)
        slots = v.reshape(*z.shape, self.dim // n)  # (B, P, n, D / n)
        out = (n * a.unsqueeze(-1) * slots).flatten(-2)  # (B, P, D)

        by_source = (out * pair).reshape(-1, m, m - 1, self.dim).sum(2)  # (B, M, D)
        arrived = pair.reshape(-1, m, m - 1, 1).sum(2).clamp(min=1)  # (B, M, 1)
        return h + by_source / arrived, z * pair
