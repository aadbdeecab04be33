"""`decode` promises: for any bytes an observation or a RecordError, and never a surprise."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import MODALITIES, Limits, Modality, Observation, RecordError, decode, encode
from schemas.avro import SCHEMAS

from .strategies import OBSERVATIONS

RECORDS = {
    (modality, encoding): encode(OBSERVATIONS[modality], encoding)
    for modality in MODALITIES
    for encoding in ("avro", "json")
}
modalities = st.sampled_from(MODALITIES)


def usable(value: bytes, modality: Modality, limits: Limits | None = None) -> bool:
    """Whether `value` decodes; fails the test for anything but a RecordError."""
    try:
        result = decode(value, modality, limits or Limits())
    except RecordError as error:
        message = str(error)
        # codec.decode turns what nobody foresaw into this; here it is a failure.
        assert not message.startswith("unexpected "), message
        assert 0 < len(message) <= 400
        assert "\n" not in message
        return False
    assert isinstance(result, Observation)
    assert result.modality is modality
    assert encode(result)
    return True


@settings(max_examples=150, deadline=None)
@given(modalities, st.binary(max_size=300))
def test_random_bytes(modality: Modality, value: bytes) -> None:
    usable(value, modality)


@settings(max_examples=300, deadline=None)
@given(modalities, st.binary(max_size=300))
def test_random_avro_bodies(modality: Modality, body: bytes) -> None:
    usable(SCHEMAS[modality].header + body, modality)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(modalities, st.data())
def test_json_with_any_value_in_any_field(modality: Modality, data: st.DataObject) -> None:
    record = json.loads(RECORDS[modality, "json"])
    name = data.draw(st.sampled_from([*sorted(record), "cycles", "extra"]))
    record[name] = data.draw(json_values)
    usable(json.dumps(record).encode("utf-8", "surrogatepass"), modality)


@pytest.mark.parametrize(("modality", "encoding"), RECORDS)
def test_every_truncation_is_refused(modality: Modality, encoding: str) -> None:
    record = RECORDS[modality, encoding]
    step = max(1, len(record) // 200)
    cuts = {*range(0, len(record), step), *range(len(record) - 40, len(record))}
    assert not any(usable(record[:cut], modality) for cut in cuts)
    assert usable(record, modality)


@pytest.mark.parametrize(("modality", "encoding"), RECORDS)
def test_flipped_bits(modality: Modality, encoding: str) -> None:
    record = RECORDS[modality, encoding]
    chance = random.Random(f"{modality} {encoding}")
    for _ in range(250):
        damaged = bytearray(record)
        for _ in range(chance.choice([1, 1, 2, 8])):
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        usable(bytes(damaged), modality)


@pytest.mark.parametrize(("modality", "encoding"), RECORDS)
def test_inserted_and_repeated_bytes(modality: Modality, encoding: str) -> None:
    record = RECORDS[modality, encoding]
    chance = random.Random(f"{modality} {encoding}")
    for _ in range(100):
        at = chance.randrange(len(record))
        piece = chance.choice([b"\xff" * 12, b"\x80" * 30, b"[", b'"', b"\\", record[at : at + 9]])
        usable(record[:at] + piece + record[at:], modality)
