"""From a raw record to an arrival at its home partition, a forward or a dead letter.

Runs off the event loop, a batch at a time. Nothing a record contains may raise from here: an
exception that escapes would stop the line for everybody.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from agents.distiller.distiller import Distiller
from agents.extract.kinds import KINDS
from agents.join import Arrival, Origin
from schemas.codec import decode
from schemas.errors import ClockSkew, Malformed, RecordError
from schemas.limits import Limits
from schemas.modality import Modality
from schemas.observation import Observation, Payload
from stream.partitioner import home_partition
from stream.pipeline.progress import Progress
from stream.pipeline.record import UNREADABLE_HEADER, Record
from stream.topics import Topics

log = logging.getLogger(__name__)

ORIGIN_HEADER = "regrade.origin"
"""`topic/partition/offset` of the record that was forwarded."""


class Encoder(Protocol):
    """The part of the distiller that intake needs."""

    def encode(
        self, payloads: Sequence[Payload]
    ) -> Sequence[NDArray[np.float32] | RecordError]: ...


@dataclass(frozen=True, slots=True)
class FeatureEncoder:
    """Extracts features and has them encoded."""

    distiller: Distiller

    def encode(self, payloads: Sequence[Payload]) -> list[NDArray[np.float32] | RecordError]:
        """In the order of `payloads`, per payload its encoding, or what makes it unusable."""
        results: dict[int, NDArray[np.float32] | RecordError] = {}
        for modality in {payload.modality for payload in payloads}:
            slots = [i for i, payload in enumerate(payloads) if payload.modality is modality]
            found = KINDS[modality].extract([payloads[slot] for slot in slots])
            results.update(
                (slot, x)
                for slot, x in zip(slots, found, strict=True)
                if isinstance(x, RecordError)
            )
            good = [slot for slot in slots if slot not in results]
            if good:
                features = np.stack([x for x in found if not isinstance(x, RecordError)])
                encoded = self.distiller.encode_features(modality, features)
                results.update(zip(good, encoded, strict=True))
        return [results[slot] for slot in range(len(payloads))]


@dataclass(frozen=True, slots=True)
class Dead:
    """The record cannot be used."""

    error: Exception
    stage: str
    """Where it failed: fetch, route, decode, clock or encode."""


@dataclass(frozen=True, slots=True)
class Misrouted:
    """The record belongs to another partition."""

    home: int
    modality: Modality
    captured_at: int


Examined = Arrival | Misrouted | Progress | Dead


_Decoded = tuple[Observation, Origin]


@dataclass(frozen=True, slots=True)
class Intake:
    """Decodes, checks and encodes records.

    Args:
        topics: names of the line's topics.
        partitions: P, the partition count of the input topics.
        max_clock_skew: ms.
    """

    topics: Topics
    partitions: int
    max_clock_skew: int
    limits: Limits
    encoder: Encoder

    def examine(self, records: Sequence[Record], wall_ms: int) -> list[Examined]:
        """What becomes of each record, in order."""
        examined: list[Examined | _Decoded] = [self._read(record, wall_ms) for record in records]
        decoded = [(i, item) for i, item in enumerate(examined) if isinstance(item, tuple)]
        encodings = self.encoder.encode([observation.payload for _, (observation, _) in decoded])
        results: dict[int, Examined] = {}
        for (index, (observation, origin)), encoding in zip(decoded, encodings, strict=True):
            if isinstance(encoding, RecordError):
                results[index] = Dead(encoding, "encode")
            else:
                results[index] = Arrival(
                    unit_id=observation.unit_id,
                    modality=observation.modality,
                    observation_id=observation.observation_id,
                    captured_at=observation.captured_at,
                    source=observation.source,
                    origin=origin,
                    features=encoding,
                )
        return [
            results[index] if isinstance(item, tuple) else item
            for index, item in enumerate(examined)
        ]

    def _read(self, record: Record, wall_ms: int) -> "_Decoded | Misrouted | Progress | Dead":
        stage = "fetch"
        try:
            if unreadable := dict(record.headers).get(UNREADABLE_HEADER):
                raise Malformed(unreadable.decode())
            stage = "route"
            if record.topic == self.topics.repartition:
                # Twice: the forwarder's clock may be ahead of ours, and its stations' of its own.
                latest = wall_ms + 2 * self.max_clock_skew + 1
                if progress := Progress.of(record, self.partitions, latest):
                    return progress
            origin = self._origin(record)
            modality = self.topics.modality_of(origin.topic)
            if modality is None:
                raise Malformed(f"{origin.topic} is not a topic of an enabled modality")
            stage = "decode"
            observation = decode(record.value, modality, self.limits)
            stage = "clock"
            self._check_clock(observation, record.timestamp, wall_ms)
            stage = "route"
            home = home_partition(observation.unit_id, self.partitions)
            if home == record.partition:
                return observation, origin
            if record.topic == self.topics.repartition:
                raise Malformed(f"forwarded to partition {record.partition}, but home is {home}")
            return Misrouted(home, modality, observation.captured_at)
        except RecordError as error:
            return Dead(error, stage)
        except Exception as error:
            log.exception("Record %s[%d]@%d", record.topic, record.partition, record.offset)
            return Dead(error, stage)

    def _origin(self, record: Record) -> Origin:
        if record.topic != self.topics.repartition:
            return Origin(record.topic, record.partition, record.offset)
        value = dict(record.headers).get(ORIGIN_HEADER)
        if value is None:
            raise Malformed(f"a record on {record.topic} needs the header {ORIGIN_HEADER}")
        try:
            topic, partition, offset = value.decode().rsplit("/", 2)
            return Origin(topic, int(partition), int(offset))
        except ValueError as error:
            raise Malformed(f"header {ORIGIN_HEADER} is not topic/partition/offset") from error

    def _check_clock(self, observation: Observation, timestamp: int, wall_ms: int) -> None:
        clocks = [("the wall clock", wall_ms)]
        if timestamp >= 0:  # -1: the record carries none
            clocks.append(("the record's timestamp", timestamp))
        for name, clock in clocks:
            ahead = observation.captured_at - clock
            if ahead > self.max_clock_skew:
                raise ClockSkew(
                    f"captured_at is {ahead} ms ahead of {name}, more than max_clock_skew"
                    f" ({self.max_clock_skew} ms); set the clock of {observation.source}"
                )
