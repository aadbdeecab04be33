"""The quantum feature extractor of a single modality, with its controls: an option.

`ModelConfig.extractor` puts one behind every encoder; the weights that ship have none.
"""

from math import pi

import torch
from torch import Tensor, nn

from agents.distiller.attention import Variant
from agents.distiller.circuits.backend import Readout
from agents.distiller.readouts import READOUTS


class QuantumFeatureExtractor(nn.Module):
    """h + U z, where z is the readout of one circuit that h turns by RY alone.

    The circuit is that of the pairs with all key angles zero, exact and differentiable. Variants
    are `hybrid`, `no-entanglement` and `classical-twin`, as in `attention`; all have the same
    parameters.

    Raises:
        ValueError: the variant has no circuit (or twin of one).
    """

    readout: Readout

    def __init__(
        self, dim: int, qubits: int = 8, layers: int = 2, variant: Variant = "hybrid"
    ) -> None:
        super().__init__()
        if variant not in READOUTS:
            raise ValueError(f"{variant} has no circuit; take one of {', '.join(READOUTS)}")
        self.readout = READOUTS[variant]
        self.w_q = nn.Parameter(torch.randn(dim, qubits) * 0.5 * dim**-0.5)  # W
        self.w = nn.Parameter(torch.randn(layers, qubits, 2) * 0.5)
        self.u = nn.Linear(qubits, dim, bias=False)

    def forward(self, h: Tensor) -> Tensor:
        """(B, D) -> (B, D)."""
        q = pi * torch.tanh(h @ self.w_q)
        extracted: Tensor = self.u(self.readout(q, torch.zeros_like(q), self.w))
        return h + extracted
