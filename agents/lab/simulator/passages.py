"""One passage of a unit along the line: which stations see it, when, and which miss it."""

from dataclasses import dataclass

import numpy as np

from agents.lab.simulator.units import SimulatedUnit
from schemas.modality import MODALITIES, Modality

STATIONS: dict[Modality, tuple[str, ...]] = {
    Modality.VISUAL: ("cam-1", "cam-2", "cam-3"),
    Modality.SPECTRAL: ("nir-1", "nir-2"),
    Modality.TEXT: ("desk-1", "desk-2", "desk-3", "desk-4"),
    Modality.THERMAL: ("ir-1", "ir-2"),
    Modality.ACOUSTIC: ("mic-1", "mic-2"),
    Modality.BATTERY: ("bat-1", "bat-2", "bat-3"),
}
"""Sources by modality; one of them sees a given passage."""

PLACE: dict[Modality, float] = {
    Modality.VISUAL: 0.05,
    Modality.SPECTRAL: 0.22,
    Modality.THERMAL: 0.40,
    Modality.ACOUSTIC: 0.55,
    Modality.BATTERY: 0.75,
    Modality.TEXT: 0.90,
}
"""Where along the line each modality is measured, as a fraction of its span."""
JITTER = 0.15
"""How far each place moves at most, so that neighbours swap now and then."""


@dataclass(frozen=True, slots=True)
class LineTiming:
    """How the stations of a line behave."""

    dropout: float = 0.15
    """Probability that a station misses a unit; one observation always remains."""
    span_s: float = 4.0
    """Longest time between two observations of a passage; keep it well within the window."""
    max_delay_s: float = 1.5
    """Longest time from capture to publication: the bound of out-of-order arrival."""
    duplicates: float = 0.0
    """Probability that a station sends an observation twice, both times within the bound."""

    def __post_init__(self) -> None:
        if not (0 <= self.dropout <= 1 and 0 <= self.duplicates <= 1):
            raise ValueError("dropout and duplicates are probabilities, from 0 to 1")
        if self.span_s <= 0 or self.max_delay_s < 0:
            raise ValueError("span_s must be positive, max_delay_s not negative")


@dataclass(frozen=True, slots=True)
class PlannedObservation:
    """One observation to come, without its payload."""

    modality: Modality
    observation_id: str
    source: str
    captured_at: int
    """Event time, in ms since 1970 UTC."""
    send_at: tuple[int, ...]
    """When the station publishes it, in ms since 1970 UTC: once, or twice if it repeats itself."""


@dataclass(frozen=True, slots=True)
class PlannedPassage:
    """One stay of a unit on the line."""

    unit: SimulatedUnit
    number: int
    """0 for the unit's first stay, 1 for its second."""
    enters_at: int
    """When the unit reaches the line, in ms since 1970 UTC; nothing is captured earlier."""
    observations: tuple[PlannedObservation, ...]
    """At least one, in order of the registry of modalities."""

    @property
    def expected_modalities(self) -> frozenset[Modality]:
        """What is sent, and so what the decision's evidence has to be."""
        return frozenset(planned.modality for planned in self.observations)

    @property
    def left_out(self) -> frozenset[Modality]:
        """What the stations miss, and so what the decision has to call missing."""
        return frozenset(MODALITIES) - self.expected_modalities


def plan_passage(
    rng: np.random.Generator, unit: SimulatedUnit, number: int, enters_at: int, timing: LineTiming
) -> PlannedPassage:
    """Draws one passage that enters the line at `enters_at`, in ms since 1970 UTC."""
    seen = rng.random(len(MODALITIES)) >= timing.dropout
    seen[rng.integers(len(MODALITIES))] |= not seen.any()
    observations = []
    for modality, sees in zip(MODALITIES, seen, strict=True):
        # Every station draws, seen or not: dropout changes nothing about the others.
        source = STATIONS[modality][rng.integers(len(STATIONS[modality]))]
        place = np.clip(PLACE[modality] + rng.uniform(-JITTER, JITTER), 0, 1)
        delay = min(rng.exponential(0.2), 1.0) * timing.max_delay_s
        repeats, later = rng.random() < timing.duplicates, rng.uniform(delay, timing.max_delay_s)
        if sees:
            captured_at = enters_at + int(1000 * timing.span_s * place)
            delays = (delay, later) if repeats else (delay,)
            observations.append(
                PlannedObservation(
                    modality=modality,
                    observation_id=f"{unit.unit_id}/{number}/{modality}",
                    source=source,
                    captured_at=captured_at,
                    send_at=tuple(captured_at + int(1000 * seconds) for seconds in delays),
                )
            )
    return PlannedPassage(unit, number, enters_at, tuple(observations))
