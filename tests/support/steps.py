"""Steps of both stages without a model: features are two numbers, decisions say what was seen."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from agents.decide.step import DecideConfig
from agents.extract.kinds import PayloadKind
from agents.extract.step import ExtractConfig
from agents.join import JoinConfig, Revision
from schemas.codec import encode
from schemas.decision import Decision
from schemas.errors import OtherFeatures, RecordError
from schemas.feature_record import FeatureRecord, Origin, encode_feature_record
from schemas.limits import DEFAULT_LIMITS
from schemas.mark import Mark, SourceProgress, encode_mark
from schemas.modality import Modality
from schemas.observation import Observation, Text
from schemas.record import Outgoing, Record
from support.decisions import decision_of

T0 = 1_790_000_000_000
"""The time at which all tests begin, ms since 1970 UTC."""
SECOND = 1_000
FEATURES, DECISIONS = "units.features", "routing.decisions"
LATE, DEAD = "units.late", "units.dead-letter"
FINGERPRINT = "abc123"


def text_kind() -> PayloadKind:
    """Returns a payload kind of notes: how long they are; a note on a bomb cannot be used."""

    def prepare(payload: Text) -> int:
        if "bomb" in payload.text:
            raise RuntimeError("boom")
        return len(payload.text)

    def batch(lengths: list[int]) -> NDArray[np.float32]:
        return np.array([[length, 1] for length in lengths], np.float32)

    return PayloadKind("stub", Text, (2,), FINGERPRINT, prepare, batch)


def extract_config(kind: PayloadKind | None = None, **changes: object) -> ExtractConfig:
    """Returns what an extract step of notes must know."""
    known: dict[str, object] = {
        "modality": Modality.TEXT,
        "kind": kind or text_kind(),
        "features_topic": FEATURES,
        "dead_letter_topic": DEAD,
        "home_of": lambda unit_id: len(unit_id) % 3,
        "max_clock_skew": 60 * SECOND,
        "limits": DEFAULT_LIMITS,
        "misread_ids": frozenset({"NOREAD", "000000"}),
    }
    return ExtractConfig(**{**known, **changes})  # type: ignore[arg-type]


def note(
    unit_id: str = "LT-1", name: str = "n1", at: int = T0, text: str = "scratched"
) -> Observation:
    return Observation(unit_id, name, at, "desk-1", Text(text, "en"))


def raw(value: bytes | Observation | None, offset: int = 0, **changes: object) -> Record:
    """Returns a record of the notes' topic."""
    if isinstance(value, Observation):
        value = encode(value)
    known = {"key": b"any", "timestamp": T0, "headers": (), "partition": 2, **changes}
    return Record("units.text", offset=offset, value=value, **known)  # type: ignore[arg-type]


# -- units.features -------------------------------------------------------------------------------


def features_of(
    unit_id: str,
    modality: str,
    name: str,
    at: int,
    *,
    origin: int = 0,
    fingerprint: str = FINGERPRINT,
) -> bytes:
    """Returns the value of a feature record of that time, ms after T0."""
    return encode_feature_record(
        FeatureRecord(
            unit_id=unit_id,
            modality=Modality(modality),
            observation_id=name,
            captured_at=T0 + at,
            source=f"{modality}-1",
            origin=Origin(f"units.{modality}", 0, origin),
            fingerprint=fingerprint,
            features=np.ones(2, np.float16),
        )
    )


def mark_of(
    at: int,
    *,
    next_offsets: Mapping[str, int] | None = None,
    worker: str = "worker-1",
    modalities: Sequence[str] = ("visual", "text"),
) -> bytes:
    """Returns the value of a mark: stations have come so far that the watermark of the home is at
    that time, ms after T0."""
    offsets, time = next_offsets or {}, T0 + at + 2 * SECOND
    sources = tuple(
        SourceProgress(f"units.{m}", 0, offsets.get(m, 0), time, awake=True, at_end=True)
        for m in modalities
    )
    return encode_mark(Mark(worker, 1, {"units.visual": 1, "units.text": 1}, sources))


def home_record(value: bytes | None, offset: int, home: int = 0, **changes: object) -> Record:
    """Returns a record of a home partition, one a second."""
    known = {"key": b"LT-1", "timestamp": T0 + offset * SECOND, "headers": (), **changes}
    return Record(FEATURES, home, offset, value=value, **known)  # type: ignore[arg-type]


class StubModel:
    """Judges nobody; counts how many revisions it was asked for at a time."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def encode(
        self, records: Sequence[FeatureRecord]
    ) -> Sequence[NDArray[np.float32] | RecordError]:
        assert records, "nobody asks for nothing"
        return [
            record.features.astype(np.float32)
            if record.fingerprint == FINGERPRINT
            else OtherFeatures(f"features with the fingerprint {record.fingerprint}")
            for record in records
        ]

    def decide(self, revisions: Sequence[Revision], decided_at: int) -> Sequence[Decision]:
        self.asked.append(len(revisions))
        return [decision_of(revision) for revision in revisions]


def publish(decision: Decision) -> Outgoing:
    return Outgoing(DECISIONS, decision.unit_id.encode(), decision.model_dump_json().encode())


def decide_config(
    *,
    provisional_after: int | None = None,
    max_evidence: int = 64,
    batch_max: int = 256,
    expected: tuple[Modality, ...] = (Modality.VISUAL, Modality.TEXT),
    topics: tuple[str, ...] = ("units.visual", "units.text"),
) -> DecideConfig:
    """Returns what a decide step must know: window 60 s, grace 30 s, 2 s out of order."""
    return DecideConfig(
        join=JoinConfig(
            60 * SECOND, 30 * SECOND, lambda unit: expected, provisional_after, max_evidence
        ),
        input_topics=frozenset(topics),
        max_out_of_orderness=2 * SECOND,
        max_source_lag=180 * SECOND,
        late_topic=LATE,
        dead_letter_topic=DEAD,
        publish=publish,
        batch_max=batch_max,
    )
