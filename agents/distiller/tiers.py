"""The tiers above pairs: circuits over three modalities, and one over all that arrived.

Both give a readout that the model adds to its logits, as it does with that of the pairs
(`attention`). Circuits are the same as there, only wider; each qubit gets one q and one k angle.
"""

from itertools import combinations
from math import pi

import torch
from torch import Tensor, nn

from agents.distiller.circuits.backend import Readout
from agents.distiller.readouts import READOUTS


class TripleCircuits(nn.Module):
    """One circuit for every three modalities that arrived together: the medium tier.

    M modalities make T = M (M - 1) (M - 2) / 6 triples. The n qubits of a triple are three blocks
    of n / 3, one a modality in the order of the registry; the CNOT ladder runs through all.

    Raises:
        ValueError: n is not a multiple of three.
    """

    members: Tensor  # int64 (T, 3): the modalities of each triple
    readout: Readout

    def __init__(self, modalities: int, dim: int, qubits: int, variant: str, layers: int) -> None:
        super().__init__()
        if qubits % 3:
            raise ValueError(f"{qubits} qubits do not divide into three blocks")
        self.readout = READOUTS[variant]
        block = qubits // 3
        self.w_q = nn.Parameter(torch.randn(modalities, dim, block) * 0.5 * dim**-0.5)
        self.w_k = nn.Parameter(torch.randn(modalities, dim, block) * 0.5 * dim**-0.5)
        triples = torch.tensor(list(combinations(range(modalities), 3))).reshape(-1, 3)
        self.w = nn.Parameter(torch.randn(len(triples), layers, qubits, 2) * 0.5)
        self.register_buffer("members", triples, persistent=False)

    @property
    def outputs(self) -> int:
        """T n, the length of the readout."""
        return self.w.shape[0] * self.w.shape[2]

    def forward(self, h: Tensor, mask: Tensor) -> Tensor:
        """z in [-1, 1], (B, T n), zero for triples that are not complete.

        Args:
            h: encodings, (B, M, D), zero where a modality is absent.
            mask: bool, (B, M), True where it arrived.
        """
        q = pi * torch.tanh(torch.einsum("bmd,mdn->bmn", h, self.w_q))
        k = pi * torch.tanh(torch.einsum("bmd,mdn->bmn", h, self.w_k))
        z = self.readout(q[:, self.members].flatten(2), k[:, self.members].flatten(2), self.w)
        complete = mask[:, self.members].all(dim=2, keepdim=True)
        return (z * complete).flatten(1)


class FinalCircuit(nn.Module):
    """One circuit over all that arrived: the large tier.

    Every modality that arrived turns every qubit; what they ask for is added up before the tanh.
    """

    readout: Readout

    def __init__(self, modalities: int, dim: int, qubits: int, variant: str, layers: int) -> None:
        super().__init__()
        self.readout = READOUTS[variant]
        scale = 0.5 * (modalities * dim) ** -0.5
        self.w_q = nn.Parameter(torch.randn(modalities, dim, qubits) * scale)
        self.w_k = nn.Parameter(torch.randn(modalities, dim, qubits) * scale)
        self.w = nn.Parameter(torch.randn(1, layers, qubits, 2) * 0.5)

    @property
    def outputs(self) -> int:
        """n, the length of the readout."""
        return self.w.shape[2]

    def forward(self, h: Tensor, mask: Tensor) -> Tensor:
        """z in [-1, 1], (B, n). Arguments as `TripleCircuits.forward`; the mask has no effect
        beyond the zeros that it left in `h`."""
        q = pi * torch.tanh(torch.einsum("bmd,mdn->bn", h, self.w_q))
        k = pi * torch.tanh(torch.einsum("bmd,mdn->bn", h, self.w_k))
        return self.readout(q.unsqueeze(1), k.unsqueeze(1), self.w).flatten(1)
