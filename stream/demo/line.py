"""What the stations of a simulated line send, good and bad: a pure function of its seed."""

import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from agents.lab.simulator import LinePlan, PlannedPassage
from agents.lab.simulator.passages import STATIONS
from schemas.modality import MODALITIES
from schemas.observation import Observation
from stream.demo.damage import damaged_record
from stream.kafka.topics import Topics
from stream.replay.audit import Damaged, ObservationKey, Produced, ProducedPassage

LATE_EVERY_MS = 50


@dataclass(frozen=True, slots=True)
class Sent:
    """A good observation to send."""

    send_at_ms: int
    observation: Observation
    passage: PlannedPassage | None
    """None: it is late on purpose, of a stay that is long over."""
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class Spoilt:
    """A record to send that cannot be used."""

    send_at_ms: int
    record: Damaged


Item = Sent | Spoilt


@dataclass(frozen=True)
class Line:
    """A plan of good observations, and what goes wrong around it."""

    plan: LinePlan
    topics: Topics
    foreign: float = 0.0
    """Share of the stations whose client hashes keys with CRC32, as librdkafka does."""
    damaged: int = 0
    """How many records nobody can use."""
    late: int = 0
    """How many observations are sent when their stay has long been over."""
    late_by_ms: int = 600_000
    """How old they are when the line starts; more than window and grace."""

    def items(self) -> Iterator[Item]:
        """Everything in order of sending; payloads are rendered when their turn comes."""
        yield from self.timely()
        # Last of all: by then every partition knows how far event time has come.
        yield from self.overdue

    def timely(self) -> Iterator[Item]:
        """All but `overdue`, in order of sending."""
        good: Iterator[Item] = (
            Sent(planned.send_at_ms, planned.observation, planned.passage, planned.duplicate)
            for planned in self.plan.schedule()
        )
        spoilt: Iterator[Item] = iter(self._spoilt)
        yield from heapq.merge(good, spoilt, key=lambda item: item.send_at_ms)

    @cached_property
    def passages(self) -> tuple[PlannedPassage, ...]:
        """Every stay, in order of entering the line."""
        return tuple(self.plan.passages())

    @cached_property
    def total(self) -> int:
        """How many items there are."""
        good = sum(len(o.send_at) for passage in self.passages for o in passage.observations)
        return good + len(self._spoilt) + len(self.overdue)

    @cached_property
    def foreign_sources(self) -> frozenset[str]:
        """The stations whose keys are hashed in another way."""
        sources = [source for sources in STATIONS.values() for source in sources]
        count = round(self.foreign * len(sources))
        return frozenset(random.Random(self.plan.seed).sample(sources, count))  # noqa: S311

    @cached_property
    def produced(self) -> Produced:
        """What an audit compares the decisions with, once everything has been sent."""
        return Produced(
            passages=tuple(
                ProducedPassage(
                    passage.unit.unit_id,
                    frozenset(
                        ObservationKey(passage.unit.unit_id, o.modality, o.observation_id)
                        for o in passage.observations
                    ),
                    passage.left_out,
                )
                for passage in self.passages
            ),
            late=frozenset(ObservationKey.of(item.observation) for item in self.overdue),
            damaged=tuple(item.record for item in self._spoilt),
        )

    @cached_property
    def _last_send_ms(self) -> int:
        sends = (at for p in self.passages for o in p.observations for at in o.send_at)
        return max(sends, default=self.plan.start_ms)

    @cached_property
    def _spoilt(self) -> tuple[Spoilt, ...]:
        """Spread evenly over the run."""
        start, end = self.plan.start_ms, self._last_send_ms
        items = []
        for number in range(self.damaged):
            at = start + (end - start) * (number + 1) // (self.damaged + 1)
            broken = damaged_record(self.plan.seed, number, at)
            topic = self.topics.observation(broken.modality)
            items.append(Spoilt(at, Damaged(topic, broken.key, broken.value)))
        return tuple(items)

    @cached_property
    def overdue(self) -> tuple[Sent, ...]:
        """What a station held back until the stay was long over; sent behind all else.

        Of units that stations left something out of, if there are any: once such a unit has been
        decided, event time is known to have passed the end of its window.
        """
        stays = [stay for stay in self.passages if stay.left_out] or self.passages
        items = []
        for number in range(self.late if stays else 0):
            unit = stays[number % len(stays)].unit
            modality = MODALITIES[number % len(MODALITIES)]
            observation = Observation(
                unit_id=unit.unit_id,
                observation_id=f"{unit.unit_id}/earlier-{number}/{modality}",
                captured_at=self.plan.start_ms - self.late_by_ms,
                source=STATIONS[modality][0],
                payload=unit.payload(modality, take=100 + number),
            )
            at = self._last_send_ms + LATE_EVERY_MS * (number + 1)
            items.append(Sent(at, observation, None))
        return tuple(items)
