"""A trained corrector: from a noisy readout, and what is classically known, to the clean readout.

Ridge regression of the correction that each value needs, on all the values that were read (what
decays together is corrected together) and on the Bloch vectors of the input. Clifford data
regression does the same with circuits that can be simulated (Czarnik et al., Quantum 5, 592,
2021). Ours can all be, so it learns on the circuit itself, with other inputs; a circuit too wide
for that would need Clifford ones.

That is also the catch. With features alone, the regression is a classical model of the circuit; if
it did as well as one that sees the readout, the device would contribute nothing. `uses` keeps the
two apart, and the measurement reports both.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Uses = Literal["readout", "features", "both"]

PENALTIES = 10.0 ** np.arange(-4, 5)


class Corrector:
    """A ridge regression; make one with `fit`."""

    def __init__(self, uses: Uses, weights: Array) -> None:
        self.uses = uses
        self.weights = weights
        """(1 + inputs, n)."""

    @classmethod
    def fit(
        cls, noisy: Array, q: Array, k: Array, clean: Array, uses: Uses = "both"
    ) -> "Corrector":
        """Learn from inputs of which the clean readout is known.

        The penalty is the one with the least leave-one-out error (Golub, Heath and Wahba,
        Technometrics 21, 215, 1979, with the exact formula for each sample).

        Args:
            noisy: readouts, shape (B, n).
            q: query angles in radians, shape (B, n).
            k: key angles in radians, shape (B, n).
            clean: exact readouts, shape (B, n).
            uses: what the correction may depend on. With "features" it is the whole value.
        """
        x = _design(noisy, q, k, uses)
        y = clean if uses == "features" else clean - noisy
        mean, spread = x.mean(0), x.std(0) + 1e-9
        u, s, vt = np.linalg.svd((x - mean) / spread, full_matrices=False)
        centre = y.mean(0)
        projected = u.T @ (y - centre)  # (inputs, n)
        best, weights = np.inf, np.zeros((1, 1))
        for penalty in PENALTIES:
            shrink = s**2 / (s**2 + penalty)
            leverage = 1 / len(x) + (u**2) @ shrink  # of each sample on itself
            residual = (y - centre - u @ (shrink[:, None] * projected)) / (1 - leverage)[:, None]
            if (error := float((residual**2).mean())) < best:
                slope = vt.T @ ((s / (s**2 + penalty))[:, None] * projected) / spread[:, None]
                best, weights = error, np.vstack((centre - mean @ slope, slope))
        return cls(uses, weights)

    def __call__(self, noisy: Array, q: Array, k: Array) -> Array:
        """Corrected readouts in [-1, 1]; arguments as for `fit`, shape (B, n)."""
        x = _design(noisy, q, k, self.uses)
        y = self.weights[0] + x @ self.weights[1:]
        z: Array = np.clip(y if self.uses == "features" else noisy + y, -1.0, 1.0)
        return z


def _design(noisy: Array, q: Array, k: Array, uses: Uses) -> Array:
    """What the regression sees, (B, inputs)."""
    bloch = [np.sin(q) * np.cos(k), np.sin(q) * np.sin(k), np.cos(q)]
    parts = {"readout": [noisy], "features": bloch, "both": [noisy, *bloch]}
    return np.concatenate(parts[uses], axis=1)
