"""What a recorded record says of its unit and its time."""

from dataclasses import replace

import numpy as np
import pytest
from support.steps import T0, mark_of

from schemas.codec import decode, encode
from schemas.feature_record import FeatureRecord, Origin, encode_feature_record
from schemas.mark import decode_mark
from schemas.modality import Modality
from schemas.observation import Observation, Text
from schemas.record import Record
from stream.kafka.topics import Topics
from stream.replay.contents import content_of, shifted, unit_of

TOPICS = Topics("p.")
NOTE = Observation("LT-1", "n1", T0, "desk-1", Text("scratched", "en"))
FEATURES = FeatureRecord(
    "LT-2", Modality.TEXT, "n1", T0, "desk-1", Origin("t", 0, 0), "ab", np.ones(2, np.float16)
)
TEXT = TOPICS.observation(Modality.TEXT)


def record(topic: str, value: bytes | None, key: bytes | None = b"key") -> Record:
    return Record(topic, 0, 0, T0, key, value, (("a", b"1"), ("a", None)))


@pytest.mark.parametrize(
    ("found", "unit"),
    [
        (record(TEXT, encode(NOTE)), "LT-1"),
        (record(TEXT, encode(NOTE, "json"), None), "LT-1"),
        (record(TEXT, b"junk"), "key"),
        (record(TEXT, None, None), None),
        (record(TOPICS.features, encode_feature_record(FEATURES)), "LT-2"),
        (record(TOPICS.late, encode_feature_record(FEATURES)), "LT-2"),
        (record(TOPICS.features, mark_of(0)), None),
        (record(TOPICS.decisions, b"{}"), "key"),
    ],
)
def test_the_unit_of_a_record(found: Record, unit: str | None) -> None:
    assert unit_of(found, TOPICS) == unit


@pytest.mark.parametrize("encoding", ["avro", "json"])
def test_an_observation_an_hour_later(encoding: str) -> None:
    later = shifted(record(TEXT, encode(NOTE, encoding)), TOPICS, 3_600_000)  # type: ignore[arg-type]
    assert decode(later.value, Modality.TEXT) == replace(NOTE, captured_at=T0 + 3_600_000)
    assert (later.value or b"")[:1] == (b"{" if encoding == "json" else b"\xc3")
    assert (later.timestamp, later.key, later.headers) == (
        T0 + 3_600_000,
        b"key",
        (("a", b"1"), ("a", None)),
    )


def test_features_and_marks_an_hour_later() -> None:
    later = shifted(record(TOPICS.features, encode_feature_record(FEATURES)), TOPICS, 3_600_000)
    content = content_of(later, TOPICS)
    assert isinstance(content, FeatureRecord)
    assert content.captured_at == T0 + 3_600_000
    assert content.features.tobytes() == FEATURES.features.tobytes()
    mark = shifted(record(TOPICS.features, mark_of(0)), TOPICS, 3_600_000)
    assert decode_mark(mark.value or b"") == decode_mark(mark_of(3_600_000))


def test_what_says_no_time_keeps_its_bytes() -> None:
    for value in (b"junk", None):
        assert shifted(record(TEXT, value), TOPICS, 5) == replace(
            record(TEXT, value), timestamp=T0 + 5
        )
    timeless = replace(record("other", b"x"), timestamp=-1)
    assert shifted(timeless, TOPICS, 5) == timeless
