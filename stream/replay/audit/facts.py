"""What an audit is given, and what it finds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.decision import Decision
from schemas.modality import Modality
from schemas.observation import Observation


class ObservationKey(NamedTuple):
    """Which observation: an observation_id is unique for its unit and modality."""

    unit_id: str
    modality: Modality
    observation_id: str

    @classmethod
    def of(cls, observation: Observation) -> "ObservationKey":
        return cls(observation.unit_id, observation.modality, observation.observation_id)

    def __str__(self) -> str:
        return f"{self.unit_id} {self.modality.value} {self.observation_id}"


class Damaged(NamedTuple):
    """A record as it was sent, byte for byte."""

    topic: str
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True, slots=True)
class ProducedPassage:
    """One stay of a unit: what was sent of it, in time."""

    unit_id: str
    observations: frozenset[ObservationKey]
    left_out: frozenset[Modality]
    """The expected modalities that its stations left out: what its decision must call missing."""


@dataclass(frozen=True, slots=True)
class Produced:
    """All that was sent to a line, whose topics held nothing before."""

    passages: tuple[ProducedPassage, ...]
    late: frozenset[ObservationKey] = frozenset()
    """Observations sent when their passage had been retired, on purpose."""
    damaged: tuple[Damaged, ...] = ()
    """Records that cannot be used."""


@dataclass(frozen=True, slots=True)
class Found:
    """What lies on the topics."""

    decisions: Sequence[Decision]
    """Of each unit in the order of the log; repeats included."""
    late: Sequence[ObservationKey] = ()
    dead_letters: Sequence[Damaged] = ()
    """As they had been received."""


class Outcome(NamedTuple):
    """A stay, and the last revision of its decision."""

    passage: ProducedPassage
    decision: Decision | None
    """None: never decided."""


FAULTS = ("lost", "conflicting", "wrong_missing", "partial", "unexpected")


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What the comparison found; every count of a fault has examples."""

    passages: int
    """Passages that were decided."""
    decisions: int
    """Different decision_ids."""
    provisional: int
    final: int
    amended: int
    late: int
    """Observations in `units.late`."""
    dead_letters: int
    """Records in `units.dead-letter`."""
    repeats: int
    """Decisions that are on the topic more than once with the same content: harmless."""

    lost: int
    """Stays without a final decision, observations that vanished, damaged records that did."""
    conflicting: int
    """Decisions that contradict one another, or that decide a stay twice."""
    wrong_missing: int
    """Last revisions whose `missing` is not what the stations left out."""
    partial: int
    """First decisions on part of the evidence that had come in time."""
    unexpected: int
    """Evidence that nobody had sent for that stay in time, and late records that were not late."""

    examples: dict[str, tuple[str, ...]] = field(repr=False)
    """Per kind of fault the first few, in words."""
    outcomes: tuple[Outcome, ...] = field(repr=False)
    """Per produced stay, in the order given."""

    @property
    def ok(self) -> bool:
        """Whether there is no fault at all."""
        return not self.faults

    @property
    def faults(self) -> dict[str, int]:
        """The kinds of faults that occurred, with their counts."""
        return {kind: getattr(self, kind) for kind in FAULTS if getattr(self, kind)}
