"""What a modality's features are: their fixed shape, and the function that extracts them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from schemas.observation import Payload

Features = NDArray[np.float32]
P = TypeVar("P", bound=Payload)

CLIP = 8.0
"""Features are of roughly unit scale; what lies beyond is a broken sensor or another world."""


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """Features of one modality."""

    shape: tuple[int, ...]
    extract: Callable[[Payload], Features]
    """Array of exactly `shape`, float32, finite, within [-CLIP, CLIP].

    Raises UnusablePayload or TooLarge for a valid payload whose content cannot be read.
    """


def specify(
    kind: type[P], shape: tuple[int, ...], extract: Callable[[P], NDArray[np.floating]]
) -> FeatureSpec:
    """A spec that holds `extract`, for payloads of type `kind`, to its promise."""

    def checked(payload: Payload) -> Features:
        if not isinstance(payload, kind):
            raise TypeError(f"expected {kind.__name__}, got {type(payload).__name__}")
        # NaN cannot come of finite payloads, but a float32 overflow in a sum could.
        features = np.nan_to_num(extract(payload), nan=0.0, posinf=CLIP, neginf=-CLIP)
        assert features.shape == shape, (kind, features.shape)
        bounded: Features = np.clip(features, -CLIP, CLIP).astype(np.float32)
        return bounded

    return FeatureSpec(shape, checked)
