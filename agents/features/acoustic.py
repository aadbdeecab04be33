"""Features of a recording: statistics over time of its log-mel spectrogram.

The mean gives tones and colour, the deviation over time impacts and rattling. The filters lie at
fixed frequencies, so that any sample rate gives comparable features without resampling.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from schemas.observation import Acoustic

BANDS = 48
LOW_HZ, HIGH_HZ = 60.0, 4000.0
FRAME_S, HOP_S = 0.064, 0.016
MAX_SECONDS = 10.0
"""Of a longer recording, the middle."""
SHAPE = (3, BANDS)
"""Rows: mean level, deviation over time, largest excess over the mean."""

_FLOOR = 1e-10


def _mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    mel: NDArray[np.float64] = 2595 * np.log10(1 + hertz / 700)
    return mel


@lru_cache(maxsize=16)
def _filters(sample_rate: int, frame: int) -> NDArray[np.float64]:
    """Triangles on the mel scale, shape (BANDS, frame // 2 + 1), each of area 1 or empty."""
    low, high = _mel(np.array([LOW_HZ, HIGH_HZ]))
    edges = np.linspace(low, high, BANDS + 2)
    mel = _mel(np.fft.rfftfreq(frame, 1 / sample_rate).astype(np.float64))
    # At low frequencies a triangle can fall between two bins: it is at least one bin wide.
    width = np.maximum(edges[1] - edges[0], np.diff(mel, append=2 * mel[-1] - mel[-2]))
    weights: NDArray[np.float64] = np.maximum(0.0, 1 - np.abs(mel - edges[1:-1, None]) / width)
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
    return weights


def extract(payload: Acoustic) -> NDArray[np.float64]:
    """Shape (3, 48). Bands above the recording's Nyquist frequency are silent."""
    rate, samples = payload.sample_rate, payload.samples
    keep = int(MAX_SECONDS * rate)
    start = max(0, (len(samples) - keep) // 2)
    samples = np.clip(samples[start : start + keep].astype(np.float64), -1.0, 1.0)
    frame, hop = int(FRAME_S * rate), int(HOP_S * rate)
    if len(samples) < frame:
        samples = np.pad(samples, (0, frame - len(samples)))
    frames = np.lib.stride_tricks.sliding_window_view(samples, frame)[::hop]
    power = np.abs(np.fft.rfft(frames * np.hanning(frame), axis=1)) ** 2 / frame
    level = np.log10(power @ _filters(rate, frame).T + _FLOOR)  # (frames, BANDS)
    mean = level.mean(axis=0)
    return np.stack([(mean + 4) / 1.5, 4 * level.std(axis=0), 2 * (level.max(axis=0) - mean)])
