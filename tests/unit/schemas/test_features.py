"""Feature records and marks: round trips, the bounds, and a RecordError for any other bytes."""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from schemas import EmptyRecord, InvalidField, Malformed, Modality, RecordError, TooLarge, encode
from schemas.errors import UnknownSchema
from schemas.feature_record import (
    MAX_FEATURE_BYTES,
    MAX_RECORD_BYTES,
    FeatureRecord,
    Origin,
    decode_feature_record,
    encode_feature_record,
)
from schemas.mark import Mark, SourceProgress, decode_mark, encode_mark, is_mark
from schemas.single_object import HEADER_BYTES, SingleObject
from schemas.times import MAX_TIME_MS, MIN_TIME_MS

from .strategies import OBSERVATIONS, names, unit_ids

NOON = 1_738_324_800_000
RECORD = FeatureRecord(
    unit_id="LT-000017",
    modality=Modality.THERMAL,
    observation_id="obs-1",
    captured_at=NOON,
    source="cam-2",
    origin=Origin("plant1.units.thermal", 3, 991),
    fingerprint="00ff17",
    features=np.linspace(-8, 8, 24, dtype=np.float16).reshape(4, 6),
)
SOURCE = SourceProgress("units.text", 2, 17, NOON, awake=True, at_end=False)
MARK = Mark(
    worker="host-1/4711",
    generation=12,
    partitions={"units.text": 3, "units.visual": 1},
    sources=(SOURCE, replace(SOURCE, partition=0, event_time=None, awake=False, at_end=True)),
)
VALUES = {"record": encode_feature_record(RECORD), "mark": encode_mark(MARK)}
DECODE: dict[str, Callable[[bytes | None], object]] = {
    "record": decode_feature_record,
    "mark": decode_mark,
}

counts = st.integers(0, 2**31 - 1)
offsets = st.integers(0, 2**63 - 1)
times = st.integers(MIN_TIME_MS, MAX_TIME_MS)
features = hnp.arrays(
    np.float16,
    hnp.array_shapes(max_dims=4, max_side=5),
    elements=st.floats(width=16, allow_nan=False, allow_infinity=False),
)
records = st.builds(
    FeatureRecord,
    unit_ids,
    st.sampled_from(Modality),
    names,
    times,
    names,
    st.builds(Origin, names, counts, offsets),
    st.from_regex(r"[0-9a-f]{1,64}", fullmatch=True),
    features,
)
sources = st.builds(
    SourceProgress, names, counts, offsets, st.none() | times, st.booleans(), st.booleans()
)
marks = st.builds(
    Mark,
    names,
    counts,
    st.dictionaries(names, counts, max_size=4),
    st.lists(sources, max_size=5, unique_by=lambda s: (s.topic, s.partition)).map(tuple),
)


def plain(record: FeatureRecord) -> list[object]:
    """What makes two records the same: every field, and every bit of the features."""
    array = record.features
    metadata = [getattr(record, name) for name in record.__slots__ if name != "features"]
    return [*metadata, array.dtype, array.shape, array.tobytes()]


@given(records)
def test_a_feature_record_comes_back(record: FeatureRecord) -> None:
    value = encode_feature_record(record)
    assert plain(decode_feature_record(value)) == plain(record)
    assert not is_mark(value)


@given(marks)
def test_a_mark_comes_back(mark: Mark) -> None:
    value = encode_mark(mark)
    assert decode_mark(value) == mark
    assert is_mark(value)


def test_strided_features_travel_row_by_row() -> None:
    turned = replace(RECORD, features=RECORD.features.T)
    assert plain(decode_feature_record(encode_feature_record(turned))) == plain(turned)


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"unit_id": "a b"}, InvalidField, "unit_id 'a b'"),
        ({"observation_id": ""}, InvalidField, "observation_id"),
        ({"source": "x" * 129}, InvalidField, "source"),
        ({"captured_at": NOON // 1000}, InvalidField, "looks like seconds"),
        ({"captured_at": MAX_TIME_MS + 1}, InvalidField, "captured_at"),
        ({"origin": Origin("", 0, 0)}, InvalidField, "topic"),
        ({"origin": Origin("t", -1, 0)}, InvalidField, "negative"),
        ({"origin": Origin("t", 0, -1)}, InvalidField, "negative"),
        ({"fingerprint": "XYZ"}, InvalidField, "hexadecimal"),
        ({"fingerprint": "0" * 65}, InvalidField, "hexadecimal"),
        ({"features": np.zeros(3, np.float32)}, InvalidField, "float32"),
        ({"features": np.zeros((3, 0), np.float16)}, InvalidField, "(3, 0)"),
        ({"features": np.array([1, np.nan], np.float16)}, InvalidField, "NaN or infinity"),
        ({"features": np.array([[-np.inf]], np.float16)}, InvalidField, "NaN or infinity"),
        ({"features": np.zeros((1,) * 9, np.float16)}, TooLarge, "9 dimensions"),
        ({"features": np.zeros(MAX_FEATURE_BYTES // 2 + 1, np.float16)}, TooLarge, "1048578"),
    ],
)
def test_a_field_of_a_feature_record_is_refused(
    changes: dict[str, Any], error: type[RecordError], says: str
) -> None:
    with pytest.raises(error) as refused:
        replace(RECORD, **changes)
    assert says in str(refused.value)


def test_the_largest_features_fit() -> None:
    largest = replace(
        RECORD,
        unit_id="u" * 128,
        observation_id="🔋" * 128,
        source="🔋" * 128,
        origin=Origin("🔋" * 249, 2**31 - 1, 2**63 - 1),
        fingerprint="f" * 64,
        features=np.zeros(MAX_FEATURE_BYTES // 2, np.float16),
    )
    assert plain(decode_feature_record(encode_feature_record(largest))) == plain(largest)


FIELDS = {
    "unit_id": "LT-1",
    "modality": "thermal",
    "observation_id": "o",
    "captured_at": NOON,
    "source": "s",
    "origin": {"topic": "t", "partition": 0, "offset": 0},
    "fingerprint": "ab",
    "shape": [2],
    "features": b"\0\0\0\0",
}


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"modality": "x-ray"}, InvalidField, "no modality 'x-ray'"),
        ({"shape": [3]}, InvalidField, "4 bytes"),
        ({"shape": []}, InvalidField, "4 bytes"),
        ({"shape": [-1, -2]}, InvalidField, "4 bytes"),
        ({"shape": [2**31 - 1] * 8}, InvalidField, "4 bytes"),
        ({"shape": [1] * 500_000}, TooLarge, "500000 dimensions"),
        ({"features": b"\0\0\0"}, InvalidField, "3 bytes"),
        ({"features": b"\x00\x7c\0\0"}, InvalidField, "NaN or infinity"),
        ({"shape": [0], "features": b""}, InvalidField, "0 bytes"),
        ({"captured_at": 0}, InvalidField, "captured_at 0"),
    ],
)
def test_a_foreign_feature_record_is_refused(
    changes: dict[str, Any], error: type[RecordError], says: str
) -> None:
    value = SingleObject("feature_record").write({**FIELDS, **changes})
    with pytest.raises(error) as refused:
        decode_feature_record(value)
    assert says in str(refused.value)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"worker": ""}, "worker"),
        ({"generation": -1}, "generation"),
        ({"partitions": {"": 1}}, "topic"),
        ({"partitions": {"t": -1}}, "negative"),
        ({"sources": (SOURCE, SOURCE)}, "twice"),
    ],
)
def test_a_field_of_a_mark_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidField, match=says):
        replace(MARK, **changes)


@pytest.mark.parametrize(
    "changes", [{"topic": ""}, {"partition": -1}, {"next_offset": -1}, {"event_time": 17}]
)
def test_a_field_of_a_source_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidField):
        replace(SOURCE, **changes)


@pytest.mark.parametrize("kind", DECODE)
@pytest.mark.parametrize(
    ("value", "error"),
    [
        (None, EmptyRecord),
        (b"", EmptyRecord),
        (b"{}", UnknownSchema),
        (encode(OBSERVATIONS[Modality.TEXT]), UnknownSchema),
        (b"\xc3\x01" + b"\xff" * (MAX_RECORD_BYTES - 1), TooLarge),
    ],
)
def test_other_values_are_refused(kind: str, value: bytes | None, error: type[RecordError]) -> None:
    assert not is_mark(value)
    with pytest.raises(error):
        DECODE[kind](value)


@pytest.mark.parametrize("kind", DECODE)
def test_each_refuses_the_other(kind: str) -> None:
    other = VALUES["mark" if kind == "record" else "record"]
    with pytest.raises(UnknownSchema):
        DECODE[kind](other)


@pytest.mark.parametrize("kind", DECODE)
def test_truncated_and_longer_values_are_refused(kind: str) -> None:
    value = VALUES[kind]
    for cut in range(len(value)):
        with pytest.raises(RecordError):
            DECODE[kind](value[:cut])
    with pytest.raises(Malformed, match="1 bytes follow"):
        DECODE[kind](value + b"\0")


@settings(max_examples=300)
@given(st.sampled_from(sorted(DECODE)), st.binary(max_size=300))
def test_random_bodies(kind: str, body: bytes) -> None:
    _usable(kind, VALUES[kind][:HEADER_BYTES] + body)


@pytest.mark.parametrize("kind", DECODE)
def test_flipped_bits(kind: str) -> None:
    chance = random.Random(kind)
    for _ in range(2000):
        damaged = bytearray(VALUES[kind])
        for _ in range(chance.choice([1, 1, 2, 8])):
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        _usable(kind, bytes(damaged))


def _usable(kind: str, value: bytes) -> None:
    """Fails the test for anything but a result or a RecordError of one line."""
    message = ""
    try:
        DECODE[kind](value)
    except RecordError as error:
        message = str(error)
    assert "\n" not in message
