"""From payloads to encodings, for tests of what comes behind the features."""

from collections.abc import Sequence

import numpy as np

from agents.distiller.distiller import Distiller, Encoding
from agents.extract.kinds import extract
from schemas.modality import MODALITIES
from schemas.observation import Payload


def encode(distiller: Distiller, payloads: Sequence[Payload]) -> list[Encoding]:
    """Encodings in the order of the payloads, of any mixture of modalities, each (D,)."""
    results: dict[int, Encoding] = {}
    for modality in MODALITIES:
        slots = [i for i, payload in enumerate(payloads) if payload.modality is modality]
        if slots:
            features = np.stack([extract(payloads[slot]) for slot in slots])
            results.update(zip(slots, distiller.encode_features(modality, features), strict=True))
    return [results[slot] for slot in range(len(payloads))]
