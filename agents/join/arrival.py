"""What the join takes in and what it gives out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from schemas.feature_record import Origin
from schemas.modality import Modality

BEGINNING = -(2**62)
"""The watermark before anything is known."""


class EvidenceKey(NamedTuple):
    """Names an observation within its unit: the same key twice counts once."""

    modality: Modality
    observation_id: str


@dataclass(slots=True)
class Arrival:
    """An observation that has come to its home partition, encoded.

    Nobody changes one; freezing it would cost 0.7 us more to make each.
    """

    unit_id: str
    modality: Modality
    observation_id: str
    captured_at: int
    """Event time, ms since 1970 UTC."""
    source: str
    origin: Origin
    encoding: Any = field(repr=False, compare=False, default=None)
    """What the distiller needs of it; the join only carries it."""
    token: Any = field(repr=False, compare=False, default=None)
    """Opaque to the join: names the record to whoever acknowledges it."""

    @property
    def key(self) -> EvidenceKey:
        return EvidenceKey(self.modality, self.observation_id)


ClosedBy = Literal["complete", "window", "provisional"]
Status = Literal["provisional", "final", "amended"]


@dataclass(frozen=True, slots=True)
class Revision:
    """Output: decide this passage on this evidence and publish it."""

    passage_id: str
    decision_id: str
    unit_id: str
    revision: int
    supersedes: str | None
    status: Status
    closed_by: ClosedBy
    opened_at: int
    deadline: int
    evidence: tuple[Arrival, ...]
    """Every observation of the passage, ordered by event time, modality and id."""
    missing: tuple[Modality, ...]

    @property
    def newest(self) -> dict[Modality, Arrival]:
        """Per modality, the observation that counts: the last of the evidence's order."""
        return {arrival.modality: arrival for arrival in self.evidence}


@dataclass(frozen=True, slots=True)
class TooLate:
    """Output: the observation came after its passage had been retired."""

    arrival: Arrival


@dataclass(frozen=True, slots=True)
class Excess:
    """Output: the passage holds as much evidence as it may, so that this cannot be used."""

    arrival: Arrival


@dataclass(frozen=True, slots=True)
class Finished:
    """Output: these records have had their effect, once all outputs before this one have."""

    tokens: tuple[Any, ...]


Output = Revision | TooLate | Excess | Finished


@dataclass(frozen=True, slots=True)
class JoinConfig:
    """How long passages live, in ms of event time, and what they wait for."""

    window: int
    grace: int
    expected: Callable[[str], tuple[Modality, ...]]
    """The modalities that a unit's passage waits for."""
    provisional_after: int | None = None
    max_evidence: int = 64
    """Observations that a passage takes."""

    def __post_init__(self) -> None:
        if self.window <= 0 or self.grace < 0:
            raise ValueError("window must be positive and grace not negative")
        if self.provisional_after is not None and not 0 <= self.provisional_after < self.window:
            raise ValueError("provisional_after must lie within the window")
