"""The extract step: raw records of one modality in, feature records and dead letters out.

Pure: no broker, no clock, nothing kept from one call to the next. A record is finished when what
came of it is confirmed. Nothing that a record contains may raise from here.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from agents.dead_letter import dead_letter
from agents.extract.kinds import PayloadKind
from agents.extract.progress import Heard
from schemas import headers
from schemas.codec import decode
from schemas.errors import ClockSkew, Malformed, Misread, RecordError
from schemas.feature_record import FeatureRecord, Origin, encode_feature_record
from schemas.limits import Limits
from schemas.modality import Modality
from schemas.observation import Observation
from schemas.record import Outgoing, Record

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ExtractConfig:
    """What the extract step of one modality has to know.

    Args:
        home_of: gives the home partition of a unit_id.
        max_clock_skew: how far ahead of the wall clock `captured_at` may be, ms.
        misread_ids: unit_ids, in capitals, that a scanner gives when it reads none.
    """

    modality: Modality
    kind: PayloadKind
    features_topic: str
    dead_letter_topic: str
    home_of: Callable[[str], int]
    max_clock_skew: int
    limits: Limits
    misread_ids: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Extracted:
    """What came of one record."""

    outgoing: Outgoing
    heard: Heard | None
    """The station and its time; None for a dead letter, which is not speech."""
    reason: str | None = None
    """Of a dead letter, its reason code."""
    ahead: str | None = None
    """The station whose clock is too far ahead, where that is the reason."""


@dataclass(frozen=True, slots=True)
class ExtractStep:
    """Makes feature records of the raw records of one modality."""

    config: ExtractConfig

    def step(self, records: Sequence[Record], now: int | None) -> list[Extracted]:
        """Returns what comes of each record, in order.

        Args:
            now: the wall clock, ms since 1970 UTC; None: of each record the time that it bears.
        """
        read = [self._read(record, record.timestamp if now is None else now) for record in records]
        observations = [item for item in read if isinstance(item, Observation)]
        features = iter(self.config.kind.extract([each.payload for each in observations]))
        return [
            self._extracted(record, item, next(features)) if isinstance(item, Observation) else item
            for record, item in zip(records, read, strict=True)
        ]

    def _read(self, record: Record, now: int) -> Observation | Extracted:
        stage = "fetch"
        try:
            if unreadable := dict(record.headers).get(headers.UNREADABLE):
                raise Malformed(unreadable.decode("utf-8", "replace"))
            stage = "decode"
            observation = decode(record.value, self.config.modality, self.config.limits)
            if observation.unit_id.upper() in self.config.misread_ids:
                raise Misread(
                    f"unit_id {observation.unit_id} is what a scanner says that read none;"
                    " scan the unit again"
                )
        except RecordError as error:
            return self._dead(record, error, stage)
        ahead = observation.captured_at - now
        if ahead > self.config.max_clock_skew:
            skew = ClockSkew(
                f"captured_at is {ahead} ms ahead of the wall clock, more than max_clock_skew"
                f" ({self.config.max_clock_skew} ms); set the clock of {observation.source}"
            )
            return replace(self._dead(record, skew, "clock"), ahead=observation.source)
        return observation

    def _extracted(
        self,
        record: Record,
        observation: Observation,
        features: NDArray[np.float16] | RecordError,
    ) -> Extracted:
        if isinstance(features, RecordError):
            return self._dead(record, features, "extract")
        value = encode_feature_record(
            FeatureRecord(
                unit_id=observation.unit_id,
                modality=observation.modality,
                observation_id=observation.observation_id,
                captured_at=observation.captured_at,
                source=observation.source,
                origin=Origin(record.topic, record.partition, record.offset),
                fingerprint=self.config.kind.fingerprint,
                features=features,
            )
        )
        unit_id = observation.unit_id
        outgoing = Outgoing(
            self.config.features_topic,
            unit_id.encode(),
            value,
            partition=self.config.home_of(unit_id),
        )
        return Extracted(outgoing, Heard(observation.source, observation.captured_at))

    def _dead(self, record: Record, error: RecordError, stage: str) -> Extracted:
        outgoing = dead_letter(self.config.dead_letter_topic, record, error, stage)
        return Extracted(outgoing, None, error.reason)
