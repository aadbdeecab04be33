"""Times as clients write them, and those that cannot be a line's: tables of cases."""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import InvalidField, Modality, decode
from schemas.avro import write as write_avro
from schemas.times import MAX_TIME_MS, MIN_TIME_MS, parse_time

QUARTER_PAST = 1_795_601_700_000
"""2026-11-25T10:15:00Z, ms."""
NEW_YEAR = 1_798_761_600_000
"""2027-01-01T00:00:00Z, ms."""


def note(captured_at: str) -> bytes:
    """A JSON observation with this text as its time."""
    head = '{"unit_id":"LT-1","observation_id":"o","source":"desk","text":"ok","language":"en"'
    return f'{head},"captured_at":{captured_at}}}'.encode()


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("2026-11-25T10:15:00Z", QUARTER_PAST),
        ("2026-11-25T10:15Z", QUARTER_PAST),
        ("20261125T101500Z", QUARTER_PAST),
        ("20261125T1015Z", QUARTER_PAST),
        ("2026-11-25t10:15:00z", QUARTER_PAST),
        ("2026-11-25 10:15:00Z", QUARTER_PAST),
        ("2026-11-25 11:15:00 +0100", QUARTER_PAST),
        ("2026-11-25T10:15:00+00:00", QUARTER_PAST),
        ("2026-11-25T10:15:00-00:00", QUARTER_PAST),
        ("2026-11-25T10:15:00+0000", QUARTER_PAST),
        ("2026-11-25T10:15:00+00", QUARTER_PAST),
        ("2026-11-25T11:15+01", QUARTER_PAST),
        ("2026-11-25T05:45:00-0430", QUARTER_PAST),
        ("2026-W48-3T10:15Z", QUARTER_PAST),
        ("2026-11-25T10:15:00.1Z", QUARTER_PAST + 100),
        ("2026-11-25T10:15:00,123Z", QUARTER_PAST + 123),
        ("2026-11-25T10:15:00.123999Z", QUARTER_PAST + 123),
        ("2026-11-25T10:15:00.123999999Z", QUARTER_PAST + 123),
        ("2026-12-31T23:59:60Z", NEW_YEAR),
        ("2026-12-31T23:59:60.250Z", NEW_YEAR + 250),
        ("2027-01-01T00:59:60+01:00", NEW_YEAR),
        ("20261231T235960Z", NEW_YEAR),
        ("2015-01-01T00:00Z", MIN_TIME_MS),
        ("9999-12-31T23:59:59.999Z", MAX_TIME_MS),
    ],
)
def test_text(text: str, milliseconds: int) -> None:
    assert parse_time("captured_at", text) == milliseconds
    assert decode(note(json.dumps(text)), Modality.TEXT).captured_at == milliseconds


@pytest.mark.parametrize(
    "text", ["1795601700000", "1795601700000.0", "1.7956017e12", "1.7956017E+12", "17956017e5"]
)
def test_numbers(text: str) -> None:
    assert decode(note(text), Modality.TEXT).captured_at == QUARTER_PAST


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('"2026-11-25T10:15:00"', "does not say of which zone"),
        ('"2026-11-25 10:15"', "end it in Z"),
        ('"2026-11-25"', "is not ISO 8601"),
        ('"2026-11-25Z"', "is not ISO 8601"),
        ('"25.11.2026 10:15Z"', "is not ISO 8601"),
        ('"11/25/2026 10:15Z"', "is not ISO 8601"),
        ('"2026-11-25T10:15:00 CET"', "is not ISO 8601"),
        ('"2026-11-25T10:15:60Z"', "is not ISO 8601"),
        ('"2026-12-31T23:59:60+01:00"', "is not ISO 8601"),
        ('"2026-12-31T23:59:61Z"', "is not ISO 8601"),
        ('"2026-11-25T10:60Z"', "is not ISO 8601"),
        ('"2026-11-25T25:15Z"', "is not ISO 8601"),
        ('"2026-02-29T10:15Z"', "is not ISO 8601"),
        ('"2026-11-25T10:15:00+25:00"', "is not ISO 8601"),
        ('"٢٠٢٦-11-25T10:15Z"', "is not ISO 8601"),
        ('"9999-12-31T23:59:59-01:00"', "2015 and 9999"),
        ('"now"', "is not ISO 8601"),
        ('"1795601700000"', "is not ISO 8601"),
        ('""', "is not ISO 8601"),
        ('"2014-12-31T23:59:59.999Z"', "2015"),
        ('"0001-01-01T00:00Z"', "2015"),
        ("1795601700", "it looks like seconds"),
        ("1.7956017e9", "it looks like seconds"),
        ("1795601700000000", "it looks like us"),
        ("1795601700000000000", "it looks like ns"),
        ("0", "send ms since 1970"),
        ("-1", "send ms since 1970"),
        ("1e300", "send ms since 1970"),
        ("1795601700000.5", "valid integer"),
        ("true", "valid integer"),
        ("null", "valid integer"),
    ],
)
def test_refused(text: str, says: str) -> None:
    with pytest.raises(InvalidField) as refused:
        decode(note(text), Modality.TEXT)
    assert "captured_at" in str(refused.value)
    assert says in str(refused.value)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    "milliseconds", [0, 1_795_601_700, MIN_TIME_MS - 1, MAX_TIME_MS + 1, -(2**63)]
)
def test_avro_has_the_same_bounds(milliseconds: int) -> None:
    fields = {**json.loads(note("0")), "captured_at": milliseconds}
    with pytest.raises(InvalidField, match="captured_at"):
        decode(write_avro(fields, Modality.TEXT), Modality.TEXT)


SPELLINGS: list[Callable[[datetime], str]] = [
    lambda t: t.isoformat(),
    lambda t: t.isoformat(" ").lower(),
    lambda t: t.strftime("%Y-%m-%dT%H:%M:%S.%f%z"),
    lambda t: t.strftime("%Y%m%dT%H%M%S.%f%z"),
    lambda t: t.isoformat().replace(".", ","),
]


@given(
    st.datetimes(datetime(2015, 1, 2), datetime(9999, 12, 30)),
    st.integers(-14 * 4, 14 * 4),
    st.sampled_from(SPELLINGS),
)
def test_every_spelling_is_the_same_instant(
    local: datetime, quarters: int, spell: Callable[[datetime], str]
) -> None:
    time = local.replace(tzinfo=timezone(timedelta(minutes=15 * quarters)))
    elapsed = time - datetime(1970, 1, 1, tzinfo=UTC)
    assert parse_time("captured_at", spell(time)) == elapsed // timedelta(milliseconds=1)


@given(st.text(max_size=40) | st.from_regex(r"[0-9TZtz :.,+-]{1,30}"))
def test_any_other_text_is_refused_or_a_time(text: str) -> None:
    with suppress(InvalidField):
        assert isinstance(parse_time("captured_at", text), int)
