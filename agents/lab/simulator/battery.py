"""The battery tester: the charge-cycle log that the pack kept of itself.

Capacity falls with the cycles along a curve of its chemistry (LFP nearly straight, LCO and NMC
with a knee), resistance grows. Some packs lost the beginning of their log, and the rated capacity
is not in it: how much is gone must then be read from the shape.
"""

import numpy as np

from agents.lab.simulator.latents import Latents
from agents.lab.simulator.models import Chemistry
from schemas.observation import Battery

MAX_ROWS = 60
KNEE = {Chemistry.LCO: 2.2, Chemistry.NMC: 1.6, Chemistry.LFP: 1.1}
"""Exponent of the fade: the larger, the later and steeper the loss."""
NEW_OHM = {Chemistry.LCO: 0.085, Chemistry.NMC: 0.065, Chemistry.LFP: 0.045}


def measure(rng: np.random.Generator, unit: Latents) -> Battery:
    """The cycle table, 8 to 60 rows: cycle number, capacity in Ah, resistance in ohm."""
    first = int(0.4 * rng.random() * unit.cycles) if rng.random() < 0.15 else 0
    rows = min(int(rng.integers(8, MAX_ROWS + 1)), unit.cycles - first + 1)
    cycle = np.unique(np.linspace(first, unit.cycles, rows).round().astype(np.int32))
    life = cycle / max(unit.cycles, 1)  # 0 when new, 1 now

    rated = unit.model.platform.rated_ah * rng.normal(1.0, 0.015)
    lost = (1 - unit.state_of_health) * life ** KNEE[unit.chemistry]
    capacity = rated * (1 - lost) + rng.normal(0.0, 0.008 * rated, len(cycle))
    grown = 1 + (unit.resistance_growth - 1) * life**1.3
    resistance = NEW_OHM[unit.chemistry] * rng.normal(1.0, 0.06) * grown
    resistance = resistance * (1 + rng.normal(0.0, 0.02, len(cycle)))
    return Battery(
        cycle=cycle,
        capacity=np.maximum(capacity, 0.0).astype(np.float32),
        resistance=np.maximum(resistance, 0.0).astype(np.float32),
    )
