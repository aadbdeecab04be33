"""The registry of payload kinds: what turns the payloads of each into features.

Features are float16 by definition, in training as on the line: fingerprints of other settings or of
another version of an extractor tell that features are not what a model was trained on.
"""

import hashlib
import io
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from agents.extract import cycle_table, image, note, sound, spectrum, thermal_grid
from schemas.errors import RecordError, UnusablePayload
from schemas.modality import Modality
from schemas.observation import Acoustic, Battery, Payload, Spectral, Text, Thermal, Visual

log = logging.getLogger(__name__)

FeatureArray = NDArray[np.float16]

CLIP = 8.0
"""Features are of roughly unit scale; what lies beyond is a broken sensor or another world."""


@dataclass(frozen=True, slots=True)
class PayloadKind:
    """How the payloads of one kind become features."""

    name: str
    payload: type[Payload]
    """The class of its payloads."""
    shape: tuple[int, ...]
    """Shape of the features of one payload."""
    fingerprint: str
    """16 hexadecimal digits that change with the settings and the version of the extractor."""
    prepare: Callable[[Any], Any] = field(repr=False)
    """What must be done payload by payload (decode a JPEG, find words); may raise a RecordError."""
    batch: Callable[[list[Any]], NDArray[np.float32]] = field(repr=False)
    """From N prepared payloads, N >= 1, to the values before clipping, shape (N, *shape)."""

    def extract(self, payloads: Sequence[Payload]) -> list[FeatureArray | RecordError]:
        """Extract the features of any number of payloads of this kind.

        Returns:
            In the order of `payloads`, per payload its features, float16 of shape `shape`, finite
            and within [-CLIP, CLIP]; or the error that makes it unusable, without harm to the
            others. The arrays may share memory.
        """
        results: list[FeatureArray | RecordError] = []
        slots, prepared = [], []
        for slot, payload in enumerate(payloads):
            try:
                if not isinstance(payload, self.payload):
                    raise UnusablePayload(
                        f"a payload of kind {self.name} is a {self.payload.__name__}, "
                        f"not a {type(payload).__name__}"
                    )
                prepared.append(self.prepare(payload))
                slots.append(slot)
            except RecordError as error:
                results.append(error)
            except Exception as error:
                results.append(self._unusable(error))
            else:
                results.append(_NONE)
        for slot, found in zip(slots, self._rows(prepared), strict=True):
            results[slot] = found
        return results

    def _rows(self, prepared: list[Any]) -> Sequence[FeatureArray | RecordError]:
        """Features of prepared payloads; where a batch fails, each of them is tried alone."""
        if not prepared:
            return []
        try:
            rows = self.batch(prepared)
        except Exception as error:
            if len(prepared) == 1:
                return [error if isinstance(error, RecordError) else self._unusable(error)]
            return [found for one in prepared for found in self._rows([one])]
        # NaN cannot come of finite payloads, but an overflow on the way could.
        rows[np.isnan(rows)] = 0.0
        return list(np.clip(rows, -CLIP, CLIP).astype(np.float16))

    def _unusable(self, error: Exception) -> UnusablePayload:
        log.exception("extraction failed on a payload of kind %s", self.name, exc_info=error)
        return UnusablePayload(f"a payload of kind {self.name} cannot be read: {error}")


_NONE: FeatureArray = np.zeros(0, np.float16)


class _Settings(Protocol):
    """The frozen dataclass of an extractor's settings."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def shape(self) -> tuple[int, ...]: ...


def _itself(payload: Payload, settings: _Settings) -> Payload:
    return payload


def _kind(
    name: str,
    payload: type[Payload],
    settings: _Settings,
    version: int,
    batch: Callable[..., NDArray[np.float32]],
    prepare: Callable[..., Any] = _itself,
) -> PayloadKind:
    made_by = {"kind": name, "settings": asdict(settings), "version": version}
    canonical = json.dumps(made_by, sort_keys=True, separators=(",", ":"))
    return PayloadKind(
        name=name,
        payload=payload,
        shape=settings.shape,
        fingerprint=hashlib.sha256(canonical.encode()).hexdigest()[:16],
        prepare=partial(prepare, settings=settings),
        batch=partial(batch, settings=settings),
    )


KINDS: dict[Modality, PayloadKind] = {
    Modality.VISUAL: _kind(
        "image", Visual, image.SETTINGS, image.VERSION, image.batch, image.prepare
    ),
    Modality.SPECTRAL: _kind(
        "spectrum", Spectral, spectrum.SETTINGS, spectrum.VERSION, spectrum.batch
    ),
    Modality.TEXT: _kind("note", Text, note.SETTINGS, note.VERSION, note.batch, note.prepare),
    Modality.THERMAL: _kind(
        "thermal-grid", Thermal, thermal_grid.SETTINGS, thermal_grid.VERSION, thermal_grid.batch
    ),
    Modality.ACOUSTIC: _kind("sound", Acoustic, sound.SETTINGS, sound.VERSION, sound.batch),
    Modality.BATTERY: _kind(
        "cycle-table", Battery, cycle_table.SETTINGS, cycle_table.VERSION, cycle_table.batch
    ),
}
"""The payload kind of each modality."""


def extract(payload: Payload) -> FeatureArray:
    """The features of one payload, of shape `KINDS[payload.modality].shape`.

    Raises:
        UnusablePayload: the content cannot be read (a broken image).
        TooLarge: an image of more pixels than the limits allow.
    """
    (found,) = KINDS[payload.modality].extract([payload])
    if isinstance(found, RecordError):
        raise found
    return found


def warm_up() -> None:
    """Compile the kernels, or load them from numba's cache, ahead of the first record.

    The first time on a machine it takes some seconds a kernel, then well under a second for all.
    Where the cache lies: see `agents.machine_code`.
    """
    row = np.ones(1, np.float32)
    for payload in (
        Visual(_one_pixel(), "image/png"),
        Spectral(np.arange(8, dtype=np.float32), np.arange(8, dtype=np.float32), "nm"),
        Text("a b", "en"),
        Thermal(np.zeros((2, 2), np.float32)),
        Acoustic(np.zeros(256, np.float32), 8000),
        Battery(np.zeros(1, np.int32), row, row),
    ):
        extract(payload)


def _one_pixel() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (1, 1)).save(file, "PNG")
    return file.getvalue()
