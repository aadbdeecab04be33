"""What the stations of a simulated line send, good and bad: a pure function of its seed."""

import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from agents.lab.simulator import LinePlan, PlannedPassage
from agents.lab.simulator.passages import STATIONS
from schemas.codec import encode
from schemas.modality import MODALITIES, Modality
from schemas.observation import Observation
from stream.demo.damage import damaged_record
from stream.kafka.topics import Topics
from stream.replay.audit import Damaged, ObservationKey, Produced, ProducedPassage


@dataclass(frozen=True, slots=True)
class Item:
    """A record to send; its key is the unit_id."""

    send_at_ms: int
    """Not before."""
    topic: str
    unit_id: str
    value: bytes
    foreign: bool
    """Whether its station's client hashes keys with CRC32, as librdkafka does."""
    modality: Modality | None = None
    """Of a good observation that comes in time; None for every other record."""


@dataclass(frozen=True)
class Line:
    """A plan of good observations, and what goes wrong around it."""

    plan: LinePlan
    topics: Topics
    foreign: float = 0.0
    """Share of the stations whose client hashes keys with CRC32."""
    damaged: int = 0
    """How many records nobody can use."""
    late: int = 0
    """How many observations are sent when their stay has long been over."""
    late_by_ms: int = 600_000
    """How old they are when the line starts; more than window and grace."""

    def timely(self) -> Iterator[Item]:
        """Yields all but `overdue` in order of sending, each rendered when its turn comes."""
        good = (
            self._item(planned.send_at_ms, planned.observation, planned.observation.modality)
            for planned in self.plan.schedule()
        )
        return heapq.merge(good, self._spoilt, key=lambda item: item.send_at_ms)

    @cached_property
    def overdue(self) -> tuple[Item, ...]:
        """What comes too late. Sent last: then every partition knows how far event time is."""
        return tuple(self._item(self.plan.start_ms, seen) for seen in self._held_back)

    @cached_property
    def passages(self) -> tuple[PlannedPassage, ...]:
        """Every stay, in order of entering the line."""
        return tuple(self.plan.passages())

    @cached_property
    def total(self) -> int:
        """How many items there are."""
        good = sum(len(o.send_at) for passage in self.passages for o in passage.observations)
        return good + self.damaged + len(self.overdue)

    @cached_property
    def foreign_sources(self) -> frozenset[str]:
        """The stations whose keys are hashed in another way."""
        sources = [source for sources in STATIONS.values() for source in sources]
        count = round(self.foreign * len(sources))
        return frozenset(random.Random(self.plan.seed).sample(sources, count))  # noqa: S311

    @cached_property
    def produced(self) -> Produced:
        """What an audit compares the decisions with, once everything has been sent."""

        def stay(passage: PlannedPassage) -> ProducedPassage:
            unit_id = passage.unit.unit_id
            keys = (
                ObservationKey(unit_id, o.modality, o.observation_id) for o in passage.observations
            )
            return ProducedPassage(unit_id, frozenset(keys), passage.left_out)

        return Produced(
            passages=tuple(map(stay, self.passages)),
            late=frozenset(map(ObservationKey.of, self._held_back)),
            damaged=tuple(Damaged(i.topic, i.unit_id.encode(), i.value) for i in self._spoilt),
        )

    def _item(self, at_ms: int, seen: Observation, modality: Modality | None = None) -> Item:
        topic, foreign = self.topics.observation(seen.modality), seen.source in self.foreign_sources
        return Item(at_ms, topic, seen.unit_id, encode(seen), foreign, modality)

    @cached_property
    def _spoilt(self) -> tuple[Item, ...]:
        """Damaged records, spread evenly over the time in which units enter."""
        span_ms = 1000 * self.plan.units / self.plan.rate
        items = []
        for number in range(self.damaged):
            at_ms = self.plan.start_ms + int(span_ms * (number + 1) / (self.damaged + 1))
            modality, unit_id, value = damaged_record(self.plan.seed, number, at_ms)
            topic = self.topics.observation(modality)
            items.append(Item(at_ms, topic, unit_id, value, foreign=True))
        return tuple(items)

    @cached_property
    def _held_back(self) -> tuple[Observation, ...]:
        """What stations hold back until the stay is long over.

        Of units that stations left something out of, if there are any: once such a unit has been
        decided, event time is known to have passed the end of its window.
        """
        stays = [stay for stay in self.passages if stay.left_out] or self.passages
        seen = []
        for number in range(self.late if stays else 0):
            unit = stays[number % len(stays)].unit
            modality = MODALITIES[number % len(MODALITIES)]
            name = f"{unit.unit_id}/earlier-{number}/{modality}"
            at_ms, payload = self.plan.start_ms - self.late_by_ms, unit.payload(modality, take=100)
            seen.append(Observation(unit.unit_id, name, at_ms, STATIONS[modality][0], payload))
        return tuple(seen)
