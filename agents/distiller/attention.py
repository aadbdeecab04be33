"""Cross-attention between every ordered pair of modalities that arrived: the small tier.

For a pair (s, t) the query of s and the key of t become angles of a small circuit; its
expectations z say how much of each slot of t's value goes to s. Four controls share the
interface, so that the evaluation can say what the circuit is worth:

- `hybrid`: the circuit with its CNOT ladders;
- `no-entanglement`: the same circuit without them, n qubits that turn on their own;
- `classical-twin`: a bilinear unit per slot, `tanh(a q + b k + c q k + d)`, see `readouts`;
- `dot-product`: attention as transformers have it, one weight per target;
- `concatenation`: no attention at all, the modalities meet in the fusion's perceptron.

The first three have the same number of parameters.
"""

from math import pi
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from agents.distiller.circuits.backend import Readout
from agents.distiller.readouts import READOUTS

Variant = Literal["hybrid", "classical-twin", "no-entanglement", "dot-product", "concatenation"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)


def attention(modalities: int, dim: int, qubits: int, layers: int, variant: Variant) -> nn.Module:
    """The attention of a variant: (h (B, M, D), mask (B, M)) -> (h' (B, M, D), z (B, P, n)).

    A variant without circuits has no readout: its z is of shape (B, P, 0).
    """
    if variant == "concatenation":
        return NoAttention(modalities)
    if variant == "dot-product":
        return DotProductAttention(modalities, dim, qubits)
    return QuantumCrossAttention(modalities, dim, qubits, variant, layers)


class QuantumCrossAttention(nn.Module):
    """Cross-attention of M modalities, B units, P = M (M - 1) ordered pairs, n qubits, L layers.

    Projections belong to a modality (as source W_q, as target W_k and W_v), circuits to a pair.
    Pairs are in the order (0,1), (0,2), ..., (1,0), (1,2), ...: source first.

    Raises:
        ValueError: `dim` does not divide into `qubits` slots, there is only one modality, or the
            variant has no circuit (or twin of one).
    """

    target: Tensor  # (P,): the target of each pair
    readout: Readout

    def __init__(
        self,
        modalities: int,
        dim: int,
        qubits: int = 8,
        variant: Variant = "hybrid",
        layers: int = 2,
    ) -> None:
        super().__init__()
        if dim % qubits or modalities < 2:
            raise ValueError(f"dim {dim} must divide into {qubits} slots, modalities be at least 2")
        if variant not in READOUTS:
            raise ValueError(f"{variant} has no circuit; `attention` builds it")
        m, n = modalities, qubits
        self.modalities, self.dim, self.qubits = m, dim, n
        self.readout = READOUTS[variant]
        self.w_q = nn.Parameter(torch.randn(m, dim, n) * 0.5 * dim**-0.5)
        self.w_k = nn.Parameter(torch.randn(m, dim, n) * 0.5 * dim**-0.5)
        self.w_v = nn.Parameter(torch.randn(m, dim, dim) * dim**-0.5)
        self.w = nn.Parameter(torch.randn(m * (m - 1), layers, n, 2) * 0.5)
        self.tau = nn.Parameter(torch.ones(()))
        self.register_buffer("target", _targets(m), persistent=False)

    def angles(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """q and k of every pair, radians within [-pi, pi], (B, P, n), of encodings (B, M, D)."""
        q = pi * torch.tanh(torch.einsum("bmd,mdn->bmn", h, self.w_q))
        k = pi * torch.tanh(torch.einsum("bmd,mdn->bmn", h, self.w_k))
        # The query of each pair's source, the key of its target.
        return q.repeat_interleave(self.modalities - 1, dim=1), k.index_select(1, self.target)

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
        q, k = self.angles(h)
        v = torch.einsum("bmd,mde->bme", h, self.w_v).index_select(1, self.target)  # (B, P, D)
        pair = (mask.repeat_interleave(m - 1, dim=1) & mask[:, self.target]).unsqueeze(-1)

        z = self.readout(q, k, self.w)  # (B, P, n)
        a = torch.softmax(self.tau * z, dim=-1)
        slots = v.reshape(*z.shape, self.dim // n)  # (B, P, n, D / n)
        out = (n * a.unsqueeze(-1) * slots).flatten(-2)  # (B, P, D)

        by_source = (out * pair).reshape(-1, m, m - 1, self.dim).sum(2)  # (B, M, D)
        arrived = pair.reshape(-1, m, m - 1, 1).sum(2).clamp(min=1)  # (B, M, 1)
        return h + by_source / arrived, z * pair


class DotProductAttention(nn.Module):
    """Scaled dot-product attention over the other modalities that arrived, with a residual.

    Source: Vaswani et al., "Attention Is All You Need", 2017; one head, W_q, W_k and W_v per
    modality as in `QuantumCrossAttention`.
    """

    def __init__(self, modalities: int, dim: int, width: int) -> None:
        super().__init__()
        m = modalities
        self.w_q = nn.Parameter(torch.randn(m, dim, width) * dim**-0.5)
        self.w_k = nn.Parameter(torch.randn(m, dim, width) * dim**-0.5)
        self.w_v = nn.Parameter(torch.randn(m, dim, dim) * dim**-0.5)
        self.register_buffer("others", ~torch.eye(m, dtype=torch.bool), persistent=False)

    others: Tensor  # (M, M): which targets a source has

    def forward(self, h: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """As `QuantumCrossAttention.forward`; z is empty."""
        q = torch.einsum("bmd,mdn->bmn", h, self.w_q)
        k = torch.einsum("bmd,mdn->bmn", h, self.w_k)
        v = torch.einsum("bmd,mde->bme", h, self.w_v)
        pair = mask.unsqueeze(2) & mask.unsqueeze(1) & self.others  # (B, M, M): source, target
        score = (q @ k.transpose(1, 2)) * q.shape[-1] ** -0.5
        # A source without targets attends to nothing: all its scores are the least there is.
        a = torch.softmax(score.masked_fill(~pair, torch.finfo(h.dtype).min), dim=-1) * pair
        m = mask.shape[1]
        return h + a @ v, h.new_zeros(len(h), m * (m - 1), 0)


class NoAttention(nn.Module):
    """Concatenation: every modality stays as it is."""

    def __init__(self, modalities: int) -> None:
        super().__init__()
        self.pairs = modalities * (modalities - 1)

    def forward(self, h: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """As `QuantumCrossAttention.forward`; z is empty."""
        return h, h.new_zeros(len(h), self.pairs, 0)


def _targets(m: int) -> Tensor:
    return torch.tensor([t for s in range(m) for t in range(m) if s != t])
