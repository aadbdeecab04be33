"""Decisions against the truth that the simulator knows."""

from collections.abc import Sequence
from dataclasses import dataclass

from agents.lab.simulator import Labels
from schemas.decision import Decision


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Shares of decisions that are right; None where there is no decision."""

    quality: float | None
    material: float | None
    routing: float | None


def accuracy(pairs: Sequence[tuple[Decision, Labels]]) -> Accuracy:
    """How many of these decisions say what an expert who knew all causes would."""

    def share(right: int) -> float | None:
        return round(right / len(pairs), 4) if pairs else None

    return Accuracy(
        share(sum(d.quality.grade is truth.quality for d, truth in pairs)),
        share(sum(d.material.type is truth.material for d, truth in pairs)),
        share(sum(d.routing.option is truth.routing for d, truth in pairs)),
    )
