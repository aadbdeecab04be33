"""The stations of a line: which observation is sent when, as a pure function of a seed.

No clock and no broker: whoever publishes the schedule decides what its milliseconds mean. The
plan is also the truth that an audit compares decisions with: what was sent and what left out.
"""

import heapq
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from agents.lab.simulator.labels import Labels
from agents.lab.simulator.models import MODELS, DeviceModel
from agents.lab.simulator.passages import (
    LineTiming,
    PlannedObservation,
    PlannedPassage,
    plan_passage,
)
from agents.lab.simulator.units import generator, simulate_unit
from schemas.modality import Modality
from schemas.observation import Observation

# Keys of the plan's random streams, far from those of a unit's latents and payloads.
_ENTRY, _RETURN, _PASSAGE = 101, 102, 103


@dataclass(frozen=True, slots=True)
class ScheduledObservation:
    """One record to publish."""

    send_at_ms: int
    observation: Observation
    passage: PlannedPassage
    duplicate: bool
    """Whether the same observation was sent before."""

    @property
    def labels(self) -> Labels:
        """The truth about the unit."""
        return self.passage.unit.labels


@dataclass(frozen=True)
class LinePlan:
    """All passages of a simulated line: `schedule()` to publish, `passages()` to audit."""

    units: int
    seed: int
    start_ms: int
    """When the line starts, in ms since 1970 UTC."""
    rate: float
    """Units a second that enter the line."""
    timing: LineTiming = field(default_factory=LineTiming)
    returns: float = 0.0
    """Probability that a unit comes back for a second passage."""
    return_after_s: float = 120.0
    """From the end of the first passage to the second; make it more than window and grace."""
    prefix: str = "LT"
    models: Sequence[DeviceModel] = field(default=MODELS, repr=False)

    def __post_init__(self) -> None:
        if self.units < 0 or self.rate <= 0 or not 0 <= self.returns <= 1:
            raise ValueError("units must be >= 0, rate positive, returns a probability")
        if self.return_after_s <= 0:
            raise ValueError("return_after_s must be positive, or two stays would be one")

    def passages(self) -> Iterator[PlannedPassage]:
        """Every passage, in order of entering the line."""
        returning: list[tuple[int, int]] = []  # (enters_at, index)
        gap_ms = int(1000 * (self.timing.span_s + self.return_after_s))
        for index in range(self.units):
            # One unit in each slot of 1/rate seconds, anywhere within it: in order of index.
            slot = index + generator(self.seed, index, _ENTRY).random()
            enters_at = self.start_ms + int(1000 * slot / self.rate)
            while returning and returning[0][0] <= enters_at:
                yield self._passage(*heapq.heappop(returning), number=1)
            yield self._passage(enters_at, index, number=0)
            if generator(self.seed, index, _RETURN).random() < self.returns:
                heapq.heappush(returning, (enters_at + gap_ms, index))
        while returning:
            yield self._passage(*heapq.heappop(returning), number=1)

    def schedule(self) -> Iterator[ScheduledObservation]:
        """Every record in order of sending; a payload is rendered when its turn comes."""
        tie = itertools.count()  # what is sent in the same ms is sent in order of planning
        pending: list[tuple[int, int, int, PlannedPassage, PlannedObservation]] = []
        for passage in self.passages():
            # Neither this passage nor a later one sends anything before it enters.
            while pending and pending[0][0] <= passage.enters_at:
                yield _render(heapq.heappop(pending))
            for planned in passage.observations:
                for repeat, send_at in enumerate(planned.send_at):
                    heapq.heappush(pending, (send_at, next(tie), repeat, passage, planned))
        while pending:
            yield _render(heapq.heappop(pending))

    def expected_modalities(self, unit_id: str, number: int = 0) -> frozenset[Modality]:
        """What is sent of a unit's passage `number` (KeyError where it has none such)."""
        return self._expected[unit_id, number]

    @cached_property
    def _expected(self) -> dict[tuple[str, int], frozenset[Modality]]:
        return {(p.unit.unit_id, p.number): p.expected_modalities for p in self.passages()}

    def _passage(self, enters_at: int, index: int, number: int) -> PlannedPassage:
        unit = simulate_unit(self.seed, index, prefix=self.prefix, models=self.models)
        rng = generator(self.seed, index, _PASSAGE, number)
        return plan_passage(rng, unit, number, enters_at, self.timing)


def _render(
    due: tuple[int, int, int, PlannedPassage, PlannedObservation],
) -> ScheduledObservation:
    send_at, _, repeat, passage, planned = due
    observation = Observation(
        unit_id=passage.unit.unit_id,
        observation_id=planned.observation_id,
        captured_at=planned.captured_at,
        source=planned.source,
        # A second stay is measured anew; a repeated message is the same bytes again.
        payload=passage.unit.payload(planned.modality, take=passage.number),
    )
    return ScheduledObservation(send_at, observation, passage, duplicate=repeat > 0)
