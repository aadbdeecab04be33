"""What a recorded record says: of which unit it is, and of which time."""

from contextlib import suppress
from dataclasses import replace

from schemas.codec import decode, encode
from schemas.errors import RecordError
from schemas.feature_record import FeatureRecord, decode_feature_record, encode_feature_record
from schemas.mark import Mark, decode_mark, encode_mark, is_mark
from schemas.observation import Observation
from schemas.record import Record
from stream.kafka.topics import Topics


def content_of(record: Record, topics: Topics) -> Observation | FeatureRecord | Mark | None:
    """Returns what a record of these topics holds; None where it holds nothing of the kind, or
    cannot be read."""
    with suppress(RecordError):
        if (modality := topics.modality_of(record.topic)) is not None:
            return decode(record.value, modality)
        if record.topic in (topics.features, topics.late) and record.value:
            read = decode_mark if is_mark(record.value) else decode_feature_record
            return read(record.value)
    return None


def unit_of(record: Record, topics: Topics) -> str | None:
    """Returns the unit that a record is of: what it says, else its key; None for a mark."""
    content = content_of(record, topics)
    if isinstance(content, Mark):
        return None
    if content is not None:
        return content.unit_id
    return None if record.key is None else record.key.decode("utf-8", "replace")


def shifted(record: Record, topics: Topics, by: int) -> Record:
    """Returns a record as it would be if all had happened `by` ms later.

    Observations, feature records and marks also say a later time; anything else keeps its bytes.
    """
    value, content = record.value, content_of(record, topics)
    if isinstance(content, Observation):
        later = replace(content, captured_at=content.captured_at + by)
        value = encode(later, "avro" if (record.value or b"")[:1] == b"\xc3" else "json")
    elif isinstance(content, FeatureRecord):
        later_one = replace(content, captured_at=content.captured_at + by)
        value = encode_feature_record(later_one)
    elif isinstance(content, Mark):
        sources = (
            said if said.event_time is None else replace(said, event_time=said.event_time + by)
            for said in content.sources
        )
        value = encode_mark(replace(content, sources=tuple(sources)))
    timestamp = record.timestamp + by if record.timestamp >= 0 else record.timestamp
    return replace(record, value=value, timestamp=timestamp)
