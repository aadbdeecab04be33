"""Features written plainly, one payload at a time in numpy, scipy and Pillow: what the extractors
must give before clipping and rounding. Shipped weights were trained on exactly these."""

import io
import itertools
import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter1d, uniform_filter, uniform_filter1d

from schemas.modality import Modality
from schemas.observation import Acoustic, Battery, Payload, Spectral, Text, Thermal, Visual


def image(payload: Visual) -> np.ndarray:
    """Shape (5, 32, 32)."""
    picture: Image.Image = Image.open(io.BytesIO(payload.image), formats=("JPEG", "PNG"))
    picture.draft("RGB", (256, 256))
    if picture.mode.startswith("I"):
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if picture.mode == "P":
        picture = picture.convert("RGBA")
    fine = picture.convert("RGB").resize((128, 128), Image.Resampling.BILINEAR)
    small = np.asarray(fine.resize((32, 32), Image.Resampling.BOX), dtype=np.float32)
    gray = np.asarray(fine.convert("L"), dtype=np.float32)
    deviation = gray - uniform_filter(gray, 7, mode="nearest")
    blocks = deviation.reshape(32, 4, 32, 4)
    bright, dark = blocks.max(axis=(1, 3)) / 32, -blocks.min(axis=(1, 3)) / 32
    return np.stack([*((small - 128) / 64).transpose(2, 0, 1), bright, dark])


def spectrum(payload: Spectral) -> np.ndarray:
    """Shape (2, 128)."""
    snv = _standard(_on_axis(payload))
    return np.stack([snv, _standard(gaussian_filter1d(snv, 2.0, order=1, mode="nearest"))])


def _on_axis(payload: Spectral) -> np.ndarray:
    common = np.linspace(900.0, 1700.0, 128)
    axis, values = payload.axis.astype(np.float64), payload.intensities.astype(np.float64)
    if payload.unit == "cm-1":
        physical = axis > 0
        axis, values = 1e7 / axis[physical], values[physical]
    if not len(axis):
        return np.zeros(128)
    order = np.argsort(axis)
    axis, values = axis[order], values[order]
    density = len(axis) * (common[1] - common[0]) / max(axis[-1] - axis[0], 1e-9)
    if density > 2:
        values = uniform_filter1d(values, int(min(density, len(axis))), mode="nearest")
    return np.interp(common, axis, values)


def _standard(values: np.ndarray) -> np.ndarray:
    deviation = values.std()
    if deviation <= 1e-6 * np.abs(values).max():
        return np.zeros_like(values)
    return (values - values.mean()) / deviation


def note(payload: Text) -> np.ndarray:
    """Shape (1024,)."""
    text = unicodedata.normalize("NFKC", payload.text).lower()
    words = re.findall(r"\w+|[<>+&?]", text)
    pairs = (f"{left} {right}" for left, right in itertools.pairwise(words))
    return 8.0 * np.concatenate([_hashed([*words, *pairs]), _hashed(_letter_groups(words))])


def _letter_groups(words: Iterable[str]) -> Iterator[str]:
    for word in words:
        padded = f" {word} "
        for size in (3, 4):
            for at in range(len(padded) - size + 1):
                yield padded[at : at + size]


def _hashed(grams: Iterable[str]) -> np.ndarray:
    vector = np.zeros(512)
    for gram, count in Counter(grams).items():
        code = zlib.crc32(gram.encode())
        vector[code % 512] += np.log1p(count) * (1 if code >> 31 else -1)
    return vector / max(float(np.linalg.norm(vector)), 1e-12)


def thermal_grid(payload: Thermal) -> np.ndarray:
    """Shape (2, 12, 16)."""
    grid = payload.celsius.astype(np.float64)
    grid = (grid - np.median(grid)) / 5.0
    grid = grid.repeat(-(-12 // grid.shape[0]), axis=0)
    grid = grid.repeat(-(-16 // grid.shape[1]), axis=1)
    rows = np.arange(12) * grid.shape[0] // 12
    columns = np.arange(16) * grid.shape[1] // 16

    def pool(reduce: np.ufunc) -> np.ndarray:
        return reduce.reduceat(reduce.reduceat(grid, rows, axis=0), columns, axis=1)

    heights = np.diff(rows, append=grid.shape[0])
    widths = np.diff(columns, append=grid.shape[1])
    return np.stack([pool(np.add) / np.outer(heights, widths), pool(np.maximum)])


def sound(payload: Acoustic) -> np.ndarray:
    """Shape (3, 48)."""
    rate, samples = payload.sample_rate, payload.samples
    keep = int(10 * rate)
    start = max(0, (len(samples) - keep) // 2)
    samples = np.clip(samples[start : start + keep].astype(np.float64), -1.0, 1.0)
    frame, hop = int(0.064 * rate), int(0.016 * rate)
    if len(samples) < frame:
        samples = np.pad(samples, (0, frame - len(samples)))
    frames = np.lib.stride_tricks.sliding_window_view(samples, frame)[::hop]
    power = np.abs(np.fft.rfft(frames * np.hanning(frame), axis=1)) ** 2 / frame
    level = np.log10(power @ _filters(rate, frame).T + 1e-10)
    mean = level.mean(axis=0)
    return np.stack([(mean + 4) / 1.5, 4 * level.std(axis=0), 2 * (level.max(axis=0) - mean)])


def _filters(rate: int, frame: int) -> np.ndarray:
    edges = np.linspace(_mel(60.0), _mel(4000.0), 50)
    mel = _mel(np.fft.rfftfreq(frame, 1 / rate))
    width = np.maximum(edges[1] - edges[0], np.diff(mel, append=2 * mel[-1] - mel[-2]))
    weights = np.maximum(0.0, 1 - np.abs(mel - edges[1:-1, None]) / width)
    return weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)


def _mel(hertz: Any) -> Any:
    return 2595 * np.log10(1 + hertz / 700)


def cycle_table(payload: Battery) -> np.ndarray:
    """Shape (74,)."""
    cycle = payload.cycle.astype(np.float64)
    capacity = payload.capacity.astype(np.float64)
    resistance = payload.resistance.astype(np.float64)
    at = np.linspace(cycle[0], cycle[-1], 32)
    kept = np.interp(at, cycle, capacity) / _start(capacity)
    grown = np.interp(at, cycle, resistance) / _start(resistance)
    summary = [
        10 * (kept[-4:].mean() - 0.8),
        5 * (kept[-4:].mean() - kept[16:20].mean()),
        2 * (grown[-4:].mean() - 1.3),
        10 * kept.std(),
        np.log(capacity[-1] + 1e-6) - np.log(4.0),
        np.log(_start(capacity)) - np.log(4.0),
        np.log(resistance[-1] + 1e-6) - np.log(0.08),
        cycle[0] / 250,
        cycle[-1] / 500 - 1,
        len(cycle) / 30 - 1,
    ]
    return np.concatenate([5 * (kept - 0.9), 2 * (grown - 1.2), np.array(summary)])


def _start(values: np.ndarray) -> float:
    return max(float(np.median(values[: max(1, min(3, len(values) // 4))])), 1e-6)


PLAIN: dict[Modality, Callable[[Any], np.ndarray]] = {
    Modality.VISUAL: image,
    Modality.SPECTRAL: spectrum,
    Modality.TEXT: note,
    Modality.THERMAL: thermal_grid,
    Modality.ACOUSTIC: sound,
    Modality.BATTERY: cycle_table,
}


def plain_features(payload: Payload) -> np.ndarray:
    """The values before clipping and rounding, of the kind's shape."""
    return PLAIN[payload.modality](payload)
