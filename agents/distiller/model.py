"""The hybrid cross-modal distiller, whole.

    features of M modalities ── encoders ──> h (B, M, D), masked
    h ── quantum cross-attention ──> h' (B, M, D), z (B, P, n)
    logits = MLP([h'_1 ... h'_M, mask]) + g W[z_st m_s m_t]          (B, 26), see `heads`

Absent modalities are masked, not imputed: whatever stands in their place has no influence. One
modality alone is valid input. Rows are independent of each other: nothing normalises over a batch.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from agents.distiller.attention import QuantumCrossAttention, Variant
from agents.distiller.encoders import DROPOUT, Shape, encoder
from agents.distiller.heads import HEADS, LOGITS, probabilities
from schemas.modality import MODALITIES, Modality


class NoEvidence(ValueError):
    """A unit of which nothing arrived: there is nothing to distil."""


class MissingData(ValueError):
    """A modality is said to be available, but its data were not given."""


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """What it takes to build the network again."""

    shapes: dict[Modality, Shape]
    """Feature shape of each modality; the order is that of the registry."""
    dim: int = 32
    qubits: int = 8
    hidden: int = 128
    variant: Variant = "hybrid"


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What was distilled of B units."""

    logits: Tensor
    """(B, LOGITS), uncalibrated; `heads.split` names its parts."""
    probabilities: dict[str, Tensor]
    """Calibrated, per head (B, size), by the head's name."""
    readout: Tensor
    """z in [-1, 1], (B, P, n); zero for pairs that did not arrive."""
    mask: Tensor
    """bool, (B, M): which modalities were used."""


class HybridCrossModalDistiller(nn.Module):
    """Encoders, pairwise quantum cross-attention, fusion, five heads."""

    temperature: Tensor  # (heads,), fitted after training, see `calibration`

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.modalities = tuple(m for m in MODALITIES if m in config.shapes)
        m, d = len(self.modalities), config.dim
        self.encoders = nn.ModuleDict(
            {name: encoder(name, config.shapes[name], d) for name in self.modalities}
        )
        self.attention = QuantumCrossAttention(m, d, config.qubits, config.variant)
        self.trunk = nn.Sequential(
            nn.Linear(m * d + m, config.hidden), nn.GELU(), nn.Dropout(DROPOUT),
            nn.Linear(config.hidden, LOGITS),
        )  # fmt: skip
        self.from_readout = nn.Linear(m * (m - 1) * config.qubits, LOGITS, bias=False)  # W
        self.gain = nn.Parameter(torch.tensor(0.1))  # g
        self.register_buffer("temperature", torch.ones(len(HEADS)))

    def encode(self, modality: Modality, features: Tensor) -> Tensor:
        """(B, *shape) -> (B, D): all that need be kept of an observation until its decision."""
        encoded: Tensor = self.encoders[modality](features)
        return encoded

    def fuse(self, h: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """From encodings to logits.

        Args:
            h: encodings, (B, M, D), in the order of `modalities`; anything where absent.
            mask: bool, (B, M), True where the modality arrived.

        Returns:
            logits (B, LOGITS) and the readout z (B, P, n).

        Raises:
            NoEvidence: a row of `mask` is empty.
        """
        if not bool(mask.any(dim=1).all()):
            raise NoEvidence("a unit has no modality at all; at least one must have arrived")
        h = torch.where(mask.unsqueeze(-1), h, torch.zeros((), dtype=h.dtype))
        h, z = self.attention(h, mask)
        logits = self.trunk(torch.cat((h.flatten(1), mask.to(h.dtype)), dim=1))
        return logits + self.gain * self.from_readout(z.flatten(1)), z

    def forward(self, features: Mapping[Modality, Tensor], mask: Tensor) -> tuple[Tensor, Tensor]:
        """As `fuse`, from features (B, *shape) of every modality; absent ones may hold anything."""
        h = torch.stack([self.encode(m, features[m]) for m in self.modalities], dim=1)
        return self.fuse(h, mask)

    @torch.no_grad()
    def distill_knowledge(
        self,
        modality_data: Mapping[Modality, Tensor | NDArray[np.float32]],
        available_modalities: Collection[Modality] | Tensor,
    ) -> Knowledge:
        """Distil what is known of one unit, or of a batch, from the features of its modalities.

        Args:
            modality_data: features as `agents.features` extracts them, of one unit, `shape`, or of
                B units, (B, *shape). What is not available is not read and may be left out. (Who
                keeps encodings instead, as the stream worker does, calls `fuse`.)
            available_modalities: those to use for every unit of the batch; or, where units
                differ, a bool tensor (B, M) in the order of `modalities`.

        Returns:
            One row per unit; one row for a single unit.

        Raises:
            NoEvidence: a unit has no available modality.
            MissingData: an available modality is not in `modality_data`, or not known.
            ValueError: features of a wrong shape.
        """
        if isinstance(available_modalities, Tensor):
            mask = available_modalities
        else:
            if unknown := set(available_modalities) - set(self.modalities):
                raise MissingData(f"no encoder for {', '.join(sorted(unknown))}")
            mask = torch.tensor([[m in available_modalities for m in self.modalities]])
        used = [m for m, some in zip(self.modalities, mask.any(0).tolist(), strict=True) if some]
        if absent := [m for m in used if m not in modality_data]:
            raise MissingData(f"no data of {', '.join(absent)}, which is said to be available")
        if not used:
            raise NoEvidence("no modality is available; at least one must have arrived")

        encoded = {m: self.encode(m, self._batch(m, modality_data[m])) for m in used}
        first = encoded[used[0]]
        h = torch.stack([encoded.get(m, torch.zeros_like(first)) for m in self.modalities], dim=1)
        mask = mask.expand(len(h), -1)
        logits, z = self.fuse(h, mask)
        by_head = zip(HEADS, probabilities(logits, self.temperature), strict=True)
        return Knowledge(logits, {head.name: p for head, p in by_head}, z, mask)

    def _batch(self, modality: Modality, features: Tensor | NDArray[np.float32]) -> Tensor:
        """As a tensor (B, *shape) of the model's dtype."""
        x = torch.as_tensor(features, dtype=self.gain.dtype)
        shape = self.config.shapes[modality]
        x = x.unsqueeze(0) if x.ndim == len(shape) else x
        if tuple(x.shape[1:]) != tuple(shape):
            raise ValueError(f"{modality} features have shape {tuple(x.shape)}, not (B, *{shape})")
        return x
