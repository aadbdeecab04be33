"""The hybrid cross-modal distiller, whole.

    features of M modalities ── encoders ──> h (B, M, D), masked

    classical   logits = MLP([h_1 ... h_M, mask])
    small       h ── cross-attention of pairs ──> h', z_pairs
                logits = MLP'([h'_1 ... h'_M, mask]) + g W z_pairs
    medium                + g W z_triples
    large                 + g W z_final                              (B, 26), see `heads`

The tiers share the encoders, so that what a passage keeps of an observation serves all of them;
each tier above `classical` adds its circuits to the one below. Absent modalities are masked, not
imputed: whatever stands in their place has no influence. One modality alone is valid input. Rows
are independent of each other: nothing normalises over a batch.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from agents.distiller.attention import QuantumCrossAttention, Variant, attention
from agents.distiller.circuits.backend import Readout
from agents.distiller.encoders import DROPOUT, Shape, encoder
from agents.distiller.extractor import QuantumFeatureExtractor
from agents.distiller.heads import HEADS, LOGITS, probabilities
from agents.distiller.readouts import device_of
from agents.distiller.tiers import FinalCircuit, TripleCircuits
from schemas.decision import Tier
from schemas.modality import MODALITIES, Modality

TIERS: tuple[Tier, ...] = tuple(Tier)


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
    width: float = 1.0
    """Of the encoders, see `encoders.encoder`."""
    hidden: int = 128
    """Units of each perceptron's hidden layer."""
    dropout: float = DROPOUT
    """Of features and hidden units, in training only."""
    qubits: dict[Tier, int] = field(
        default_factory=lambda: {Tier.SMALL: 8, Tier.MEDIUM: 12, Tier.LARGE: 16}
    )
    """Of one circuit of each tier."""
    layers: int = 2
    """Of every circuit, 1 to 4."""
    top: Tier = Tier.LARGE
    """The highest tier that is built."""
    variant: Variant = "hybrid"
    extractor: bool = False
    """Whether `extractor.QuantumFeatureExtractor` follows every encoder."""

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """The tiers that are built."""
        return TIERS[: TIERS.index(self.top) + 1]


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What was distilled of B units."""

    logits: Tensor
    """(B, LOGITS), uncalibrated; `heads.split` names its parts."""
    probabilities: dict[str, Tensor]
    """Calibrated, per head (B, size), by the head's name."""
    mask: Tensor
    """bool, (B, M): which modalities were used."""
    tier: Tier
    """Which circuits ran."""


class Trunk(nn.Module):
    """A perceptron over all encodings and the mask."""

    def __init__(self, modalities: int, config: ModelConfig) -> None:
        super().__init__()
        self.hidden = nn.Linear(modalities * config.dim + modalities, config.hidden)
        self.dropout = nn.Dropout(config.dropout)
        self.out = nn.Linear(config.hidden, LOGITS)

    def features(self, h: Tensor, mask: Tensor) -> Tensor:
        """The hidden layer, (B, hidden): what distillation hands from teacher to student."""
        return nn.functional.gelu(self.hidden(torch.cat((h.flatten(1), mask.to(h.dtype)), dim=1)))

    def forward(self, h: Tensor, mask: Tensor) -> Tensor:
        """Logits, (B, LOGITS), of encodings (B, M, D) under a mask (B, M)."""
        logits: Tensor = self.out(self.dropout(self.features(h, mask)))
        return logits


class Gain(nn.Module):
    """g W z: what a readout adds to the logits, W linear and g learned from 0.1."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(outputs, LOGITS, bias=False)
        self.gain = nn.Parameter(torch.tensor(0.1))

    def forward(self, z: Tensor) -> Tensor:
        """(B, outputs) -> (B, LOGITS)."""
        added: Tensor = self.gain * self.linear(z)
        return added


class HybridCrossModalDistiller(nn.Module):
    """Encoders, four tiers of fusion, five heads."""

    temperature: Tensor  # (tiers, 2^M, heads), by what arrived; see `calibration`

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.modalities = tuple(m for m in MODALITIES if m in config.shapes)
        m, d, tiers = len(self.modalities), config.dim, config.tiers
        self.encoders = nn.ModuleDict(
            {
                name: encoder(name, config.shapes[name], d, config.width, config.dropout)
                for name in self.modalities
            }
        )
        self.extractors = nn.ModuleDict()
        if config.extractor:
            n = config.qubits[Tier.SMALL]
            for name in self.modalities:
                self.extractors[name] = QuantumFeatureExtractor(d, n, config.layers, config.variant)
        self.trunks = nn.ModuleList(Trunk(m, config) for _ in tiers[:2])
        self.circuits = nn.ModuleDict()
        self.gains = nn.ModuleDict()
        if Tier.SMALL in tiers:
            n = config.qubits[Tier.SMALL]
            pairs = attention(m, d, n, config.layers, config.variant)
            self.circuits[Tier.SMALL] = pairs
            if isinstance(pairs, QuantumCrossAttention):
                self.gains[Tier.SMALL] = Gain(m * (m - 1) * n)
        for tier, kind in ((Tier.MEDIUM, TripleCircuits), (Tier.LARGE, FinalCircuit)):
            if tier in tiers:
                circuit = kind(m, d, config.qubits[tier], config.variant, config.layers)
                self.circuits[tier] = circuit
                self.gains[tier] = Gain(circuit.outputs)
        self.register_buffer("temperature", torch.ones(len(tiers), 2**m, len(HEADS)))

    def run_on(self, readout: Readout) -> None:
        """Have every circuit read by `readout`, such as one of `circuits.backend`."""
        for circuit in (*self.circuits.values(), *self.extractors.values()):
            if isinstance(
                circuit,
                QuantumCrossAttention | TripleCircuits | FinalCircuit | QuantumFeatureExtractor,
            ):
                circuit.readout = readout

    def ran_on(self, tier: Tier) -> tuple[str, int | None]:
        """Returns the device of a tier's circuits and the shots of each, as `device_of` does."""
        circuits = [self.circuits[tier]] if tier in self.circuits else self.extractors.values()
        return device_of(next((getattr(c, "readout", None) for c in circuits), None))

    def encode(self, modality: Modality, features: Tensor) -> Tensor:
        """(B, *shape) -> (B, D): all that need be kept of an observation until its decision."""
        encoded: Tensor = self.encoders[modality](features)
        if self.extractors:
            encoded = self.extractors[modality](encoded)
        return encoded

    def fuse(self, h: Tensor, mask: Tensor, tier: Tier | None = None) -> Tensor:
        """From encodings to the logits of one tier, (B, LOGITS).

        Args:
            h: encodings, (B, M, D), in the order of `modalities`; anything where absent.
            mask: bool, (B, M), True where the modality arrived.
            tier: which circuits to run; None: those of the highest tier.

        Raises:
            NoEvidence: a row of `mask` is empty.
            KeyError: the network was built without this tier.
        """
        tier = tier or self.config.top
        if tier not in self.config.tiers:
            raise KeyError(f"this network ends at tier {self.config.top}; it has no {tier}")
        h = self._masked(h, mask)
        return (
            self._classical(h, mask) if tier == Tier.CLASSICAL else self._upwards(h, mask, tier)[-1]
        )

    def fuse_all(self, h: Tensor, mask: Tensor) -> list[Tensor]:
        """The logits of every tier, from the lowest, each (B, LOGITS); as `fuse`."""
        h = self._masked(h, mask)
        return [self._classical(h, mask), *self._upwards(h, mask, self.config.top)]

    def features(self, h: Tensor, mask: Tensor) -> Tensor:
        """The hidden layer of the classical tier, (B, hidden); as `fuse`."""
        trunk = self.trunks[0]
        assert isinstance(trunk, Trunk)
        return trunk.features(self._masked(h, mask), mask)

    def _classical(self, h: Tensor, mask: Tensor) -> Tensor:
        logits: Tensor = self.trunks[0](h, mask)
        return logits

    def _upwards(self, h: Tensor, mask: Tensor, top: Tier) -> list[Tensor]:
        """The logits of every tier with circuits up to `top`; what a lower one computes is part of
        those above it."""
        found: list[Tensor] = []
        logits = h.new_zeros(())
        for tier in self.config.tiers[1 : TIERS.index(top) + 1]:
            if tier == Tier.SMALL:
                attended, z = self.circuits[tier](h, mask)
                logits, z = self.trunks[1](attended, mask), z.flatten(1)
            else:
                z = self.circuits[tier](h, mask)
            if tier in self.gains:
                logits = logits + self.gains[tier](z)
            found.append(logits)
        return found

    def _masked(self, h: Tensor, mask: Tensor) -> Tensor:
        if not bool(mask.any(dim=1).all()):
            raise NoEvidence("a unit has no modality at all; at least one must have arrived")
        return torch.where(mask.unsqueeze(-1), h, torch.zeros((), dtype=h.dtype))

    def encode_all(self, features: Mapping[Modality, Tensor]) -> Tensor:
        """Encodings (B, M, D) of features (B, *shape) of every modality."""
        return torch.stack([self.encode(m, features[m]) for m in self.modalities], dim=1)

    def calibrated(self, logits: Tensor, mask: Tensor, tier: Tier) -> list[Tensor]:
        """Per head (B, size): what the logits of a tier say, by what had arrived."""
        of_tier = self.temperature[self.config.tiers.index(tier)]
        return probabilities(logits, of_tier[subset_number(mask)])

    @torch.no_grad()
    def distill_knowledge(
        self,
        modality_data: Mapping[Modality, Tensor | NDArray[np.float32]],
        available_modalities: Collection[Modality] | Tensor,
        tier: Tier | None = None,
    ) -> Knowledge:
        """Distil what is known of one unit, or of a batch, from the features of its modalities.

        Args:
            modality_data: features as `agents.extract` makes them, of one unit, `shape`, or of
                B units, (B, *shape). What is not available is not read and may be left out. (Who
                keeps encodings instead, as the stream worker does, calls `fuse`.)
            available_modalities: those to use for every unit of the batch; or, where units
                differ, a bool tensor (B, M) in the order of `modalities`.
            tier: which circuits to run; None: those of the highest tier.

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
        tier = tier or self.config.top
        logits = self.fuse(h, mask, tier)
        by_head = zip(HEADS, self.calibrated(logits, mask, tier), strict=True)
        return Knowledge(logits, {head.name: p for head, p in by_head}, mask, tier)

    def _batch(self, modality: Modality, features: Tensor | NDArray[np.float32]) -> Tensor:
        """As a tensor (B, *shape) of the model's dtype."""
        x = torch.as_tensor(features, dtype=self.temperature.dtype)
        shape = self.config.shapes[modality]
        x = x.unsqueeze(0) if x.ndim == len(shape) else x
        if tuple(x.shape[1:]) != tuple(shape):
            raise ValueError(f"{modality} features have shape {tuple(x.shape)}, not (B, *{shape})")
        return x


def subset_number(mask: Tensor) -> Tensor:
    """The number of a set of modalities, 0 to 2^M - 1: bool (..., M) -> int64 (...)."""
    return mask.long() @ _powers(mask.shape[-1])


@lru_cache
def _powers(modalities: int) -> Tensor:
    return 2 ** torch.arange(modalities)


def every_subset(modalities: int) -> Tensor:
    """All sets but the empty one, bool (2^M - 1, M), in the order of their numbers."""
    numbers = torch.arange(1, 2**modalities).unsqueeze(1)
    return (numbers >> torch.arange(modalities)) % 2 == 1
