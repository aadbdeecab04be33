"""The front of inference: observations' payloads in, calibrated predictions out.

Two steps, because a passage keeps encodings, not payloads: `encode` when an observation arrives,
`distill` when a passage decides (`hierarchy` chooses its tier). Both are thread-safe: the network
is frozen and only read.

Inference computes in float64. Batches of another composition reach other kernels, which round
differently; in float64 that is about 1e-15 in a probability. So a replayed decision says the same
to all of its six decimals, short of a value that falls within 1e-15 of a rounding edge. It is not
a promise of equal bits.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from agents.distiller.circuits.backend import EXACT, backend
from agents.distiller.files import WEIGHTS, WeightsError, load_model
from agents.distiller.heads import predictions
from agents.distiller.model import HybridCrossModalDistiller, MissingData, NoEvidence
from agents.distiller.prediction import Prediction
from agents.features import FEATURES
from schemas.decision import Tier
from schemas.errors import RecordError, UnusablePayload
from schemas.modality import Modality
from schemas.observation import Payload

log = logging.getLogger(__name__)

Encoding = NDArray[np.float32]
"""What a passage keeps of an observation, shape (D,)."""


class Distiller:
    """A frozen `HybridCrossModalDistiller`; make one with `load`."""

    def __init__(
        self, model: HybridCrossModalDistiller, sha256: str, *, micro_batch: int = 64
    ) -> None:
        self.model = model.double().eval().requires_grad_(False)
        self.sha256 = sha256
        self.micro_batch = micro_batch

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
            path: a safetensors file that `regrade train` wrote; by default the one that ships.
            threads: of torch, for the whole process; None leaves them as they are. Workers scale
                by processes, so one is right unless a machine runs a single worker.
            micro_batch: how many units the network sees at a time at most.
            device: what runs the circuits, see `circuits.backend`.
            shots: how often it measures each of them; None: exact expectations.

        Raises:
            WeightsError: the file is missing, damaged or of another version.
            BackendError: there is no such device, or shots are not for it.
        """
        if threads is not None:
            torch.set_num_threads(threads)
        path = path or WEIGHTS
        model, sha256 = load_model(path)
        theirs, ours = model.config.shapes, {m: FEATURES[m].shape for m in model.modalities}
        if theirs != ours:
            raise WeightsError(f"{path} expects other features ({theirs}, not {ours}); train again")
        if model.config.variant == "hybrid":
            model.run_on(backend(device, shots))
            if device == EXACT:
                from agents.distiller.circuits.compiled import warm_up

                # Rather now than before the first decision.
                warm_up(model.config.layers, double=True)
        return cls(model, sha256, micro_batch=micro_batch)

    @property
    def dim(self) -> int:
        """D, the length of an encoding."""
        return self.model.config.dim

    def encode(self, payloads: Sequence[Payload]) -> list[Encoding | RecordError]:
        """Encode payloads of any modalities, in any mixture.

        Returns:
            In the order of `payloads`, per payload its encoding, float32 (D,); or the error that
            makes it unusable, without harm to the others.
        """
        results: list[Encoding | RecordError | None] = [None] * len(payloads)
        groups: dict[Modality, list[tuple[int, Encoding]]] = {}
        for slot, payload in enumerate(payloads):
            try:
                groups.setdefault(payload.modality, []).append((slot, _features(payload)))
            except RecordError as error:
                results[slot] = error
        for modality, members in groups.items():
            for start in range(0, len(members), self.micro_batch):
                some = members[start : start + self.micro_batch]
                features = torch.from_numpy(np.stack([x for _, x in some])).double()
                with torch.inference_mode():
                    encoded = self.model.encode(modality, features).float().numpy()
                for (slot, _), row in zip(some, encoded, strict=True):
                    results[slot] = row.copy()
        return [r for r in results if r is not None]

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


def _features(payload: Payload) -> Encoding:
    """Features of one payload, float32, of the shape that the registry promises.

    Raises:
        RecordError: whatever is wrong with the payload; nothing else escapes.
    """
    spec = FEATURES[payload.modality]
    try:
        features = np.asarray(spec.extract(payload), dtype=np.float32)
    except RecordError:
        raise
    except Exception as error:
        log.exception("feature extraction failed on a %s payload", payload.modality)
        raise UnusablePayload(f"{payload.modality} payload cannot be read: {error}") from error
    if features.shape != spec.shape or not np.isfinite(features).all():
        raise UnusablePayload(f"{payload.modality} payload gives no usable features")
    return features
