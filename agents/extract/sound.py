"""Features of a recording: statistics over time of its log-mel spectrogram.

The mean gives tones and colour, the deviation over time impacts and rattling. The filters lie at
fixed frequencies, so that any sample rate gives comparable features without resampling.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from agents.extract.ragged import end_to_end
from agents.machine_code import compiled
from schemas.observation import Acoustic

VERSION = 1

_FLOOR = 1e-10
_AT_ONCE = 2**16
"""Samples that are worked through together, so that their spectra stay in the cache; or one
recording, however long."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the features of a recording are."""

    bands: int = 48
    low_hz: float = 60.0
    high_hz: float = 4000.0
    frame_s: float = 0.064
    hop_s: float = 0.016
    max_seconds: float = 10.0
    """Of a longer recording, the middle."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows: mean level, deviation over time, largest excess over the mean."""
        return 3, self.bands


SETTINGS = Settings()


def batch(payloads: list[Acoustic], settings: Settings) -> NDArray[np.float32]:
    """Shape (N, 3, bands). Bands above a recording's Nyquist frequency are silent."""
    rows = np.empty((len(payloads), *settings.shape), np.float32)
    rates = np.array([payload.sample_rate for payload in payloads])
    for rate in np.unique(rates).tolist():
        slots = np.flatnonzero(rates == rate)
        sounds = [
            _middle(payloads[slot].samples, int(settings.max_seconds * rate)) for slot in slots
        ]
        for some in _portions(sounds):
            rows[slots[some]] = _describe(sounds[some], rate, settings)
    return rows


def _middle(samples: NDArray[np.float32], keep: int) -> NDArray[np.float32]:
    start = max(0, (len(samples) - keep) // 2)
    return samples[start : start + keep]


def _portions(sounds: list[NDArray[np.float32]]) -> Iterator[slice]:
    """Runs of recordings that together are not too long."""
    start, total = 0, 0
    for stop, sound in enumerate(sounds):
        if total and total + len(sound) > _AT_ONCE:
            yield slice(start, stop)
            start, total = stop, 0
        total += len(sound)
    yield slice(start, len(sounds))


def _describe(
    sounds: list[NDArray[np.float32]], rate: int, settings: Settings
) -> NDArray[np.float32]:
    """Recordings of one sample rate, shape (N, 3, bands)."""
    frame, hop = int(settings.frame_s * rate), int(settings.hop_s * rate)
    samples, ends = end_to_end(sounds, np.float32)
    counts = np.maximum(np.diff(ends) - frame, 0) // hop + 1
    frames = np.empty((counts.sum(), frame))
    window, filters, first, last = _filters(rate, frame, settings)
    _cut(samples, ends, counts, hop, window, frames)
    rows = np.empty((len(sounds), *settings.shape), np.float32)
    # numpy's, which goes frame by frame: no bit of a spectrum depends on what else is there.
    _statistics(np.fft.rfft(frames, axis=1), frame, counts, filters, first, last, rows)
    return rows


def _mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    mel: NDArray[np.float64] = 2595 * np.log10(1 + hertz / 700)
    return mel


@lru_cache(maxsize=16)
def _filters(
    sample_rate: int, frame: int, settings: Settings
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """The window, shape (frame,); triangles on the mel scale, shape (bands, frame // 2 + 1), each
    of area 1 or empty; and where each triangle begins and ends, twice shape (bands,)."""
    low, high = _mel(np.array([settings.low_hz, settings.high_hz]))
    edges = np.linspace(low, high, settings.bands + 2)
    mel = _mel(np.fft.rfftfreq(frame, 1 / sample_rate).astype(np.float64))
    # At low frequencies a triangle can fall between two bins: it is at least one bin wide.
    width = np.maximum(edges[1] - edges[0], np.diff(mel, append=2 * mel[-1] - mel[-2]))
    weights: NDArray[np.float64] = np.maximum(0.0, 1 - np.abs(mel - edges[1:-1, None]) / width)
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
    some = weights > 0
    first = np.where(some.any(axis=1), some.argmax(axis=1), 0)
    last = np.where(some.any(axis=1), some.shape[1] - some[:, ::-1].argmax(axis=1), 0)
    return np.hanning(frame), weights, first, last


@compiled
def _cut(
    samples: NDArray[np.float32],
    ends: NDArray[np.int64],
    counts: NDArray[np.int64],
    hop: int,
    window: NDArray[np.float64],
    frames: NDArray[np.float64],
) -> None:
    """Windowed frames of all recordings, one behind the other; a short one is filled with zeros."""
    at = 0
    for n in range(len(counts)):
        for f in range(counts[n]):
            start = ends[n] + f * hop
            there = min(len(window), ends[n + 1] - start)
            for i in range(there):
                frames[at, i] = min(max(samples[start + i], -1.0), 1.0) * window[i]
            frames[at, there:] = 0.0
            at += 1


@compiled
def _statistics(
    spectra: NDArray[np.complex128],
    frame: int,
    counts: NDArray[np.int64],
    filters: NDArray[np.float64],
    first: NDArray[np.int64],
    last: NDArray[np.int64],
    rows: NDArray[np.float32],
) -> None:
    bands, bins = filters.shape
    power = np.empty(bins)
    level = np.empty((counts.max(), bands))
    at = 0
    for n in range(len(counts)):
        for f in range(counts[n]):
            for i in range(bins):
                power[i] = spectra[at, i].real ** 2 + spectra[at, i].imag ** 2
            for b in range(bands):
                total = 0.0
                for i in range(first[b], last[b]):
                    total += power[i] * filters[b, i]
                level[f, b] = np.log10(total / frame + _FLOOR)
            at += 1
        for b in range(bands):
            total, most = 0.0, -np.inf
            for f in range(counts[n]):
                total += level[f, b]
                most = max(most, level[f, b])
            mean = total / counts[n]
            square = 0.0
            for f in range(counts[n]):
                square += (level[f, b] - mean) ** 2
            rows[n, 0, b] = (mean + 4) / 1.5
            rows[n, 1, b] = 4 * np.sqrt(square / counts[n])
            rows[n, 2, b] = 2 * (most - mean)
