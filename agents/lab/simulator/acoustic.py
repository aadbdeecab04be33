"""The microphone: half a second of the fan under load, 8 kHz, 16 bit.

A fan sings at its blade-pass frequency and its harmonics. A worn bearing adds rumble, impacts at
the cage's rate and sidebands of the shaft; an inductor's whine is a lone tone near 3 kHz. Dust
makes the fan faster and louder, wear or not, and the hall is noisy.
"""

import numpy as np
from numpy.typing import NDArray

from agents.lab.simulator.latents import Latents
from schemas.observation import Acoustic

SAMPLE_RATE = 8_000
SAMPLES = 4_000
IMPACTS_PER_TURN = 3.06
"""Ball passes of the outer race of a small 7-ball bearing."""

_SECONDS = np.arange(SAMPLES) / SAMPLE_RATE
_HERTZ = np.fft.rfftfreq(SAMPLES, 1 / SAMPLE_RATE)
# A 1 ms ring at 1.9 kHz: the housing's answer to one impact.
_RING = np.exp(-np.arange(40) / 8) * np.sin(2 * np.pi * 1900 / SAMPLE_RATE * np.arange(40))

Signal = NDArray[np.float64]


def _coloured(rng: np.random.Generator, shape: Signal) -> Signal:
    """Noise of unit power whose amplitude spectrum follows `shape`, one value per rfft bin."""
    spectrum = np.fft.rfft(rng.standard_normal(SAMPLES)) * shape
    noise: Signal = np.fft.irfft(spectrum, SAMPLES)
    return noise / float(noise.std())


def record(rng: np.random.Generator, unit: Latents) -> Acoustic:
    """The recording, its samples exact multiples of 1/32768."""
    platform = unit.model.platform
    speed = platform.fan_rpm / 60 * (1 + 0.10 * unit.dust + rng.normal(0.0, 0.03))  # turns a second
    phase = rng.uniform(0, 2 * np.pi, 5)
    wobble = 1 + (0.1 + 0.5 * unit.fan_wear) * np.sin(2 * np.pi * speed * _SECONDS + phase[4])
    blades = sum(
        np.sin(2 * np.pi * (order + 1) * platform.fan_blades * speed * _SECONDS + phase[order])
        / (order + 1)
        for order in range(3)
    )
    sound = 0.030 * (1 + 0.5 * unit.dust) * wobble * blades
    sound += 0.020 * (1 + 0.6 * unit.dust) * _coloured(rng, 1 / (1 + (_HERTZ / 900) ** 2))

    sound += 0.018 * unit.fan_wear * _coloured(rng, np.exp(-(((_HERTZ - 420) / 220) ** 2)))
    impacts = np.zeros(SAMPLES)
    every = SAMPLE_RATE / (IMPACTS_PER_TURN * speed)
    at = (np.arange(rng.uniform(0, every), SAMPLES - 1, every)).astype(int)
    impacts[at] = rng.uniform(0.6, 1.4, len(at))
    sound += 0.09 * unit.fan_wear**1.5 * np.convolve(impacts, _RING)[:SAMPLES]

    if unit.coil_whine > 0:
        tone = rng.uniform(2600, 3700)
        sound += 0.03 * unit.coil_whine * np.sin(2 * np.pi * tone * _SECONDS + phase[3])
    hall = rng.lognormal(-4.2, 0.7)
    sound += hall * _coloured(rng, 1 / (1 + (_HERTZ / rng.uniform(200, 1500)) ** 2))
    sound *= rng.lognormal(0.0, 0.2)  # distance to the microphone
    pcm = np.clip(np.rint(sound * 32768), -32768, 32767)
    return Acoustic(samples=(pcm / 32768).astype(np.float32), sample_rate=SAMPLE_RATE)
