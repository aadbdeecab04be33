"""What the distiller says of one unit: calibrated probabilities, before any policy."""

from dataclasses import dataclass

from schemas.decision import Component, Condition, Grade, Material, Option


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
    tier: str
    """Which circuit ran: classical, small, medium or large."""
