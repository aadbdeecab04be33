"""The extract step: what comes of each raw record, and that nothing in one can break it."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.steps import DEAD, FEATURES, FINGERPRINT, SECOND, T0, extract_config, note, raw

from agents.dead_letter import MAX_MESSAGE
from agents.extract.kinds import KINDS
from agents.extract.progress import Heard
from agents.extract.step import Extracted, ExtractStep
from agents.lab.simulator import simulate_unit
from schemas import headers
from schemas.codec import encode
from schemas.feature_record import Origin, decode_feature_record
from schemas.modality import MODALITIES, Modality
from schemas.observation import Observation
from schemas.record import Outgoing, Record

STEP = ExtractStep(extract_config())


def only(record: Record, now: int = T0) -> Extracted:
    (found,) = STEP.step([record], now)
    return found


def reason_of(found: Extracted) -> str | None:
    """The reason of a dead letter, which its header and the metric must agree on."""
    assert (found.reason is None) == (found.outgoing.topic != DEAD)
    assert (found.reason is None) == (found.heard is not None)
    if found.reason is not None:
        assert (headers.REASON, found.reason.encode()) in found.outgoing.headers
    return found.reason


def header(found: Extracted, name: str) -> bytes | None:
    return dict(found.outgoing.headers)[name]


# -- feature records --------------------------------------------------------------------------


def test_a_feature_record_says_what_the_observation_said_and_where_it_lies() -> None:
    found = only(raw(note("LT-17", "n1", T0 + 5), offset=991, key=b"wrong key"))
    assert reason_of(found) is None
    assert found.heard == Heard("desk-1", T0 + 5)
    out = found.outgoing
    assert (out.topic, out.key, out.partition) == (FEATURES, b"LT-17", 2)
    assert (out.timestamp, out.headers, out.shrinkable) == (None, (), False)
    record = decode_feature_record(out.value)
    assert (record.unit_id, record.modality, record.observation_id) == (
        "LT-17",
        Modality.TEXT,
        "n1",
    )
    assert (record.captured_at, record.source) == (T0 + 5, "desk-1")
    assert record.origin == Origin("units.text", 2, 991)
    assert record.fingerprint == FINGERPRINT
    np.testing.assert_array_equal(record.features, np.float16([8, 1]))  # clipped


def test_both_encodings_make_the_same_record() -> None:
    both = [raw(encode(note(), encoding)) for encoding in ("avro", "json")]
    one, two = STEP.step(both, T0)
    assert one == two


def test_nobody_fails_for_another_and_the_order_stays() -> None:
    records = [
        raw(note(name="a"), 1),
        raw(b"{", 2),
        raw(note(name="b", text="a bomb"), 3),
        raw(note("noread", name="c"), 4),
        raw(note(name="d"), 7),
    ]
    found = STEP.step(records, T0)
    assert [reason_of(f) for f in found] == [
        None,
        "malformed",
        "unusable-payload",
        "misread",
        None,
    ]
    features = [decode_feature_record(found[i].outgoing.value) for i in (0, 4)]
    assert [(r.observation_id, r.origin.offset) for r in features] == [("a", 1), ("d", 7)]
    letters = [f for f in found if f.reason is not None]
    assert [header(f, headers.ERROR_OFFSET) for f in letters] == [b"2", b"3", b"4"]


@pytest.mark.parametrize("modality", MODALITIES)
def test_the_real_kinds(modality: Modality) -> None:
    kind = KINDS[modality]
    step = ExtractStep(extract_config(kind, modality=modality))
    payload = simulate_unit(2, 0).payload(modality)
    record = raw(Observation("LT-1", "o", T0, "station", payload))
    (found,) = step.step([record], T0)
    read = decode_feature_record(found.outgoing.value)
    assert (read.modality, read.fingerprint) == (modality, kind.fingerprint)
    (expected,) = kind.extract([payload])
    assert isinstance(expected, np.ndarray)
    np.testing.assert_array_equal(read.features, expected)


# -- dead letters -----------------------------------------------------------------------------


def test_a_dead_letter_is_the_record_byte_for_byte_and_what_was_wrong() -> None:
    repeated = [("trace", b"1"), ("trace", b"2"), ("empty", None), ("trace", b"1")]
    found = only(raw(b"\xff\x00junk", 7, key=b"\xfe key", headers=repeated, timestamp=T0 + 3))
    out = found.outgoing
    assert (out.topic, out.key, out.value, out.timestamp) == (
        DEAD,
        b"\xfe key",
        b"\xff\x00junk",
        T0 + 3,
    )
    assert (out.partition, out.shrinkable) == (None, True)
    assert list(out.headers[:4]) == repeated
    more = dict(out.headers[4:])
    assert more.pop(headers.ERROR_MESSAGE)
    assert more == {
        headers.ERROR_TOPIC: b"units.text",
        headers.ERROR_PARTITION: b"2",
        headers.ERROR_OFFSET: b"7",
        headers.ERROR_STAGE: b"decode",
        headers.ERROR_CLASS: b"schemas.errors.UnknownEncoding",
        headers.REASON: b"unknown-encoding",
    }


@pytest.mark.parametrize(
    ("record", "reason", "stage"),
    [
        (raw(None), "empty", "decode"),
        (raw(b""), "empty", "decode"),
        (raw(b"{"), "malformed", "decode"),
        (raw(b"\xc3\x01" + bytes(20)), "unknown-schema", "decode"),
        (raw(b"\x00\x00\x00\x00\x07abc"), "not-supported", "decode"),
        (raw(json.dumps({"unit_id": "LT 1"}).encode()), "invalid-field", "decode"),
        (raw(note(), headers=[(headers.UNREADABLE, b"CRC")]), "malformed", "fetch"),
        (raw(note(text="a bomb")), "unusable-payload", "extract"),
    ],
)
def test_reasons(record: Record, reason: str, stage: str) -> None:
    found = only(record)
    assert (reason_of(found), header(found, headers.ERROR_STAGE)) == (reason, stage.encode())


def test_a_header_that_says_nothing_does_not_make_a_record_unreadable() -> None:
    assert reason_of(only(raw(note(), headers=[(headers.UNREADABLE, None)]))) is None


@pytest.mark.parametrize("unit_id", ["NOREAD", "noread", "NoRead", "000000"])
def test_what_a_scanner_says_that_read_nothing_is_no_unit(unit_id: str) -> None:
    assert reason_of(only(raw(note(unit_id)))) == "misread"


def test_a_unit_may_be_called_nearly_so() -> None:
    assert reason_of(only(raw(note("NOREAD-1")))) is None


@pytest.mark.parametrize(
    ("ahead", "reason"), [(60 * SECOND, None), (60 * SECOND + 1, "clock-skew")]
)
def test_a_time_ahead_of_the_wall_clock_by_more_than_the_skew_is_refused(
    ahead: int, reason: str | None
) -> None:
    found = only(raw(note(at=T0 + ahead)))
    assert reason_of(found) == reason
    if reason:
        assert b"set the clock of desk-1" in (header(found, headers.ERROR_MESSAGE) or b"")
        assert header(found, headers.ERROR_STAGE) == b"clock"


def test_however_old_it_is_it_is_used() -> None:
    assert reason_of(only(raw(note(at=T0 - 10**10)))) is None


def test_a_record_without_key_and_value_becomes_one_that_can_be_sent() -> None:
    out = only(raw(None, key=None)).outgoing
    assert (out.key, out.value) == (None, b"")
    assert (headers.NULL, b"key,value") in out.headers


def test_a_record_without_a_time_gets_none_and_a_long_message_is_cut() -> None:
    out = only(raw(note(), timestamp=-1, headers=[(headers.UNREADABLE, b"x" * 9_000)])).outgoing
    assert out.timestamp is None
    assert len(dict(out.headers)[headers.ERROR_MESSAGE] or b"") == MAX_MESSAGE


values: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.binary(max_size=60),
    st.binary(max_size=20).map(lambda tail: encode(note())[:-5] + tail),
    st.builds(lambda at: encode(note(at=T0 + at)), st.integers(-(10**9), 10**9)),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5)).map(lambda d: json.dumps(d).encode()),
)
raw_records = st.builds(
    raw,
    values,
    offset=st.integers(0, 2**40),
    key=st.none() | st.binary(max_size=9),
    timestamp=st.integers(-1, 2**42),
    headers=st.lists(
        st.tuples(st.sampled_from(["a", headers.UNREADABLE]), st.none() | st.binary(max_size=9)),
        max_size=3,
    ),
)


@settings(deadline=None)
@given(st.lists(raw_records, max_size=6))
def test_nothing_raises_and_one_comes_of_each(records: list[Record]) -> None:
    together = STEP.step(records, T0)
    assert together == [STEP.step([record], T0)[0] for record in records]
    for record, found in zip(records, together, strict=True):
        out: Outgoing = found.outgoing
        if reason_of(found) is None:
            assert decode_feature_record(out.value).origin.offset == record.offset
        else:
            assert out.key == record.key
            assert out.value == record.value or (record.value is None and out.value == b"")
            assert list(out.headers[: len(record.headers)]) == list(record.headers)
