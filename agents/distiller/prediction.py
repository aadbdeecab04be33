"""What the distiller says of one unit: calibrated probabilities, before any policy."""

import math
from dataclasses import dataclass

from schemas.decision import Component, Condition, Grade, Material, Option, Selection, Tier


@dataclass(frozen=True, slots=True)
class Prediction:
    """Calibrated probabilities of every head, each over all of its classes.

    `quality`, `material` and `routing` sum to 1; `reuse` and `conditions` hold one independent
    probability each.
    """

    quality: dict[Grade, float]
    material: dict[Material, float]
    routing: dict[Option, float]
    """That the option is the one a fully informed expert would choose."""
    reuse: dict[Component, float]
    conditions: dict[Condition, float]
    tier: Tier
    """Which circuits ran."""
    selection: Selection | None = None
    """Why this tier; None where a caller asked for one."""

    @property
    def uncertainty(self) -> float:
        """Entropy of the routing over that of the uniform one: 0 certain, 1 all are alike."""
        nats = -sum(p * math.log(p) for p in self.routing.values() if p > 0)
        return min(max(nats / math.log(len(self.routing)), 0.0), 1.0)
