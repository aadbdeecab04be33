"""A recorded record as a flat row: where it lies, and what it says as far as it can be read."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from schemas import headers
from schemas.decision_reading import read_decision
from schemas.errors import RecordError
from schemas.feature_record import FeatureRecord
from schemas.mark import Mark
from schemas.record import Record
from schemas.single_object import HEADER_BYTES, MARKER
from stream.kafka.topics import Topics
from stream.replay.contents import content_of
from stream.replay.recording import Recording


@dataclass(slots=True)
class Row:
    """One record. What it does not say, or what cannot be read, is None."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    """ms since 1970 UTC; -1 where there is none."""
    timestamp_type: int
    kind: str
    """observation, features, mark, decision, late, dead-letter, unreadable or other."""
    size: int
    """Of key and value, in bytes."""
    encoding: str | None
    """How the value begins: `avro` and the schema's fingerprint, `registry` and its id, `json`."""
    unit_id: str | None = None
    modality: str | None = None
    source: str | None = None
    observation_id: str | None = None
    captured_at: int | None = None
    fingerprint: str | None = None
    """What made the features."""
    passage_id: str | None = None
    revision: int | None = None
    status: str | None = None
    closed_by: str | None = None
    option: str | None = None
    grade: str | None = None
    material: str | None = None
    confidence: float | None = None
    evidence: list[str] | None = None
    """Modalities of what the decision used."""
    missing: list[str] | None = None
    reason: str | None = None
    """Why it is a dead letter, or could not be read."""
    json: str | None = None
    """The value, where it is JSON and no observation."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which records of a recording are looked at; None: whatever they have there."""

    topics: Collection[str] | None = None
    unit: str | None = None
    modality: str | None = None
    start: int | None = None
    """A timestamp, ms since 1970 UTC, and those from it on."""
    end: int | None = None

    @property
    def leaves_gaps(self) -> bool:
        """Whether records are left out within a partition."""
        return any(each is not None for each in (self.unit, self.modality, self.start, self.end))


def rows(recording: Recording, topics: Topics, chosen: Filter) -> Iterator[Row]:
    """Yields the rows of a recording in time order.

    Args:
        topics: what the topics of the recorded line are called.
    """
    for record in recording.records(chosen.topics, start=chosen.start, end=chosen.end):
        row = row_of(record, topics)
        if chosen.unit in (None, row.unit_id) and chosen.modality in (None, row.modality):
            yield row


def row_of(record: Record, topics: Topics) -> Row:
    """Returns what a record says."""
    value = record.value or b""
    row = Row(
        record.topic,
        record.partition,
        record.offset,
        record.timestamp,
        record.timestamp_type,
        "other",
        len(record.key or b"") + len(value),
        _encoding(value),
    )
    found = dict(record.headers)
    if unreadable := found.get(headers.UNREADABLE):
        row.kind, row.reason = "unreadable", unreadable.decode()
    elif record.topic == topics.decisions:
        row.kind = "decision"
        _fill_decision(row, value)
    elif record.topic == topics.dead_letter:
        row.kind, row.reason = "dead-letter", (found.get(headers.REASON) or b"").decode()
    else:
        _fill_content(row, record, topics)
    if row.encoding == "json" and row.kind != "observation":
        row.json = value.decode("utf-8", "replace")
    if row.unit_id is None and row.kind != "mark" and record.key:
        row.unit_id = record.key.decode("utf-8", "replace")
    return row


def _fill_content(row: Row, record: Record, topics: Topics) -> None:
    content = content_of(record, topics)
    if (modality := topics.modality_of(record.topic)) is not None:
        row.kind, row.modality = "observation", modality.value
    if isinstance(content, Mark):
        row.kind = "mark"
    elif content is not None:
        row.unit_id, row.observation_id = content.unit_id, content.observation_id
        row.captured_at, row.source = content.captured_at, content.source
        row.modality = str(content.modality)
        if isinstance(content, FeatureRecord):
            row.kind = "late" if record.topic == topics.late else "features"
            row.fingerprint = content.fingerprint


def _fill_decision(row: Row, value: bytes) -> None:
    try:
        decision = read_decision(value)
    except RecordError as error:
        row.reason = str(error)
        return
    row.unit_id, row.passage_id = decision.unit_id, decision.passage_id
    row.revision, row.status = decision.revision, decision.status
    row.closed_by, row.confidence = decision.passage.closed_by, decision.confidence
    row.option, row.grade = decision.routing.option.value, decision.quality.grade.value
    row.material = decision.material.type.value
    row.evidence = sorted({str(each.modality) for each in decision.evidence})
    row.missing = sorted(map(str, decision.missing))


def _encoding(value: bytes) -> str | None:
    if not value:
        return None
    if value.startswith(MARKER):
        return f"avro {value[2:HEADER_BYTES].hex()}"
    if value[0] == 0:
        return f"registry {int.from_bytes(value[1:5], 'big')}"
    return "json" if value.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{" else "other"
