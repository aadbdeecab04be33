"""The front of inference: features of observations in, calibrated predictions out.

Two steps, because a passage keeps encodings, not features: `encode_features` when observations
arrive, `distill` when a passage decides (`hierarchy` chooses its tier). Both are thread-safe: the
network is frozen and only read.

Inference computes in float64. Batches of another composition reach other kernels, which round
differently; in float64 that is about 1e-15 in a probability. So a replayed decision says the same
to all of its six decimals, short of a value that falls within 1e-15 of a rounding edge. It is not
a promise of equal bits.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from agents.distiller.circuits.backend import EXACT, backend
from agents.distiller.files import WEIGHTS, WeightsError, load_model, read_fingerprints
from agents.distiller.heads import predictions
from agents.distiller.model import HybridCrossModalDistiller, MissingData, NoEvidence
from agents.distiller.prediction import Prediction
from agents.extract.kinds import KINDS
from schemas.decision import Tier
from schemas.modality import Modality

Encoding = NDArray[np.float32]
"""What a passage keeps of an observation, shape (D,)."""


class Distiller:
    """A frozen `HybridCrossModalDistiller`; make one with `load`."""

    def __init__(
        self,
        model: HybridCrossModalDistiller,
        sha256: str,
        *,
        fingerprints: Mapping[Modality, str] | None = None,
        micro_batch: int = 64,
    ) -> None:
        self.model = model.double().eval().requires_grad_(False)
        self.sha256 = sha256
        self.fingerprints = fingerprints or {m: KINDS[m].fingerprint for m in model.modalities}
        """Which features the weights were trained on, see `PayloadKind.fingerprint`."""
        self.micro_batch = micro_batch
        self._layers = {m: self._layers_of(m) for m in model.modalities}

    @classmethod
    def load(
        cls,
        path: Path | None = None,
        *,
        threads: int | None = 1,
        micro_batch: int = 64,
        device: str = EXACT,
        shots: int | None = None,
    ) -> "Distiller":
        """Load weights.

        Args:
            path: a safetensors file that `regrade train` wrote, its card beside it; by default
                the one that ships.
            threads: of torch, for the whole process; None leaves them as they are. Workers scale
                by processes, so one is right unless a machine runs a single worker.
            micro_batch: how many units the network sees at a time at most.
            device: what runs the circuits, see `circuits.backend`.
            shots: how often it measures each of them; None: exact expectations.

        Raises:
            WeightsError: the file or its card is missing, damaged or of another version, or the
                weights were trained on other features than this version extracts.
            BackendError: there is no such device, or shots are not for it.
        """
        if threads is not None:
            torch.set_num_threads(threads)
        path = path or WEIGHTS
        model, sha256 = load_model(path)
        theirs, ours = model.config.shapes, {m: KINDS[m].shape for m in model.modalities}
        if theirs != ours:
            raise WeightsError(f"{path} expects other features ({theirs}, not {ours}); train again")
        fingerprints = read_fingerprints(path, model.modalities)
        if other := [m for m, f in fingerprints.items() if f != KINDS[m].fingerprint]:
            raise WeightsError(
                f"{path} was trained on other features of {', '.join(other)} than this version "
                "extracts; train again"
            )
        if model.config.variant == "hybrid":
            model.run_on(backend(device, shots))
            if device == EXACT:
                from agents.distiller.circuits.compiled import warm_up

                # Rather now than before the first decision.
                warm_up(model.config.layers, double=True)
        return cls(model, sha256, fingerprints=fingerprints, micro_batch=micro_batch)

    @property
    def dim(self) -> int:
        """D, the length of an encoding."""
        return self.model.config.dim

    def encode_features(
        self, modality: Modality, features: NDArray[np.floating]
    ) -> NDArray[np.float32]:
        """Encode the features of N observations of one modality.

        Args:
            modality: one that the model knows.
            features: as `agents.extract` makes them, (N, *shape).

        Returns:
            Their encodings, (N, D), in memory of their own.

        Raises:
            MissingData: the model does not know the modality.
            ValueError: the features have another shape.
        """
        shape = self.model.config.shapes.get(modality)
        if shape is None:
            raise MissingData(f"no encoder for {modality}")
        if features.shape[1:] != shape:
            raise ValueError(f"{modality} features have shape {features.shape}, not (N, *{shape})")
        encoded = np.empty((len(features), self.dim), np.float32)
        for start in range(0, len(features), self.micro_batch):
            some = slice(start, start + self.micro_batch)
            with torch.inference_mode():
                x = torch.from_numpy(features[some].astype(np.float64, copy=False))
                for layer in self._layers[modality]:
                    x = layer(x)
                encoded[some] = x.numpy()
        return encoded

    def _layers_of(self, modality: Modality) -> list[Callable[[Tensor], Tensor]]:
        """Returns what `model.encode` does, layer by layer: calling torch's modules, and dropout
        that drops nothing, is most of what a single observation costs."""
        layers = [
            layer.forward
            for layer in self.model.encoders[modality].modules()
            if not (isinstance(layer, nn.Dropout) or any(True for _ in layer.children()))
        ]
        if self.model.extractors:
            layers.append(self.model.extractors[modality].forward)
        return layers

    def distill(self, units: Sequence[Mapping[Modality, Encoding]], tier: Tier) -> list[Prediction]:
        """Predict from the encodings of what arrived of each unit, by one tier.

        Raises:
            NoEvidence: a unit has no encoding at all.
            MissingData: a unit has an encoding of a modality that the model does not know.
            ValueError: an encoding has another shape than (D,).
        """
        modalities = self.model.modalities
        h = np.zeros((len(units), len(modalities), self.dim))
        mask = np.zeros((len(units), len(modalities)), dtype=bool)
        for row, unit in enumerate(units):
            if not unit:
                raise NoEvidence("a unit has no modality at all; at least one must have arrived")
            for modality, encoding in unit.items():
                if modality not in modalities:
                    raise MissingData(f"no encoder for {modality}")
                if encoding.shape != (self.dim,):
                    raise ValueError(f"{modality} encoding has shape {encoding.shape}")
                column = modalities.index(modality)
                h[row, column], mask[row, column] = encoding, True
        results: list[Prediction] = []
        for start in range(0, len(units), self.micro_batch):
            some = slice(start, start + self.micro_batch)
            with torch.inference_mode():
                shown = torch.from_numpy(mask[some])
                logits = self.model.fuse(torch.from_numpy(h[some]), shown, tier)
                results += predictions(self.model.calibrated(logits, shown, tier), tier)
        return results
