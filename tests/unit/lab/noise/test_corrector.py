"""The corrector: it learns what noise does to all inputs, and is judged on fresh ones."""

from typing import get_args

import numpy as np
import pytest

from agents.lab.noise.corrector import Array, Corrector, Uses


def readouts(seed: int, units: int = 200) -> tuple[Array, Array, Array, Array]:
    """Noisy readouts, angles, and what they would be without a noise that contracts, shifts and
    mixes them, and adds something that depends on the input."""
    generator = np.random.default_rng(seed)
    q, k = generator.uniform(-3, 3, (2, units, 3))
    clean = np.tanh(generator.standard_normal((units, 3)))
    mix = np.array([[0.8, 0.1, 0.0], [0.0, 0.7, 0.1], [0.05, 0.0, 0.9]])
    noisy = clean @ mix + 0.05 + 0.1 * np.cos(q)
    return noisy + 0.01 * generator.standard_normal(clean.shape), q, k, clean


def error(uses: Uses) -> tuple[float, float]:
    """Mean absolute error of fresh inputs, before and after."""
    noisy, q, k, clean = readouts(0)
    corrector = Corrector.fit(noisy, q, k, clean, uses)
    noisy, q, k, clean = readouts(1)
    corrected = corrector(noisy, q, k)
    return float(np.abs(noisy - clean).mean()), float(np.abs(corrected - clean).mean())


def test_corrects_fresh_inputs() -> None:
    before, readout = error("readout")
    _, both = error("both")
    assert readout < 0.6 * before
    assert both < 0.2 * before


def test_features_that_say_nothing_correct_nothing() -> None:
    """Here the clean readout does not depend on the input, so the control must fail."""
    before, features = error("features")
    assert features > before


def test_learns_nothing_from_noise_alone() -> None:
    """Where the errors are pure chance, the penalty keeps the corrector from making any worse."""
    generator = np.random.default_rng(2)
    clean, fresh = generator.uniform(-1, 1, (2, 40, 3))
    q, k = np.zeros((40, 3)), np.zeros((40, 3))
    noisy = clean + 0.3 * generator.standard_normal(clean.shape)
    corrector = Corrector.fit(noisy, q, k, clean, "readout")
    read = fresh + 0.3 * generator.standard_normal(fresh.shape)
    assert np.abs(corrector(read, q, k) - fresh).mean() < 1.02 * np.abs(read - fresh).mean()


@pytest.mark.parametrize("uses", get_args(Uses))
def test_stays_in_range(uses: Uses) -> None:
    noisy, q, k, clean = readouts(3, 20)
    corrected = Corrector.fit(noisy, q, k, clean, uses)(3 * noisy, q, k)
    assert corrected.shape == clean.shape
    assert np.abs(corrected).max() <= 1
