"""When a tier is enough, as the source article has it. A plant may set its own."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Below which uncertainty and criticality a tier is enough.

    Raises:
        ValueError: a threshold is not within 0 to 1, or one of a higher tier is below that of a
            lower one.
    """

    classical_uncertainty: float = 0.1
    classical_criticality: float = 0.3
    small_uncertainty: float = 0.3
    small_criticality: float = 0.6
    medium_uncertainty: float = 0.6
    medium_criticality: float = 0.8

    def __post_init__(self) -> None:
        for steps in (
            (self.classical_uncertainty, self.small_uncertainty, self.medium_uncertainty),
            (self.classical_criticality, self.small_criticality, self.medium_criticality),
        ):
            if not 0 <= steps[0] <= steps[1] <= steps[2] <= 1:
                raise ValueError(f"thresholds must rise from tier to tier within 0 to 1: {steps}")
