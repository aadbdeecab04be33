"""What is refused, by which error, with a message that says what was wrong: a table of cases."""

import base64
import json
import math
import zlib
from typing import Any

import numpy as np
import pytest

from schemas import (
    DEFAULT_LIMITS,
    EmptyRecord,
    InvalidField,
    Limits,
    Malformed,
    Modality,
    NotSupportedYet,
    RecordError,
    Spectral,
    Text,
    TooLarge,
    UnknownEncoding,
    UnknownSchema,
    Visual,
    decode,
    encode,
)
from schemas.avro import SCHEMAS
from schemas.avro import write as write_avro
from schemas.single_object import HEADER_BYTES, MARKER

from .strategies import JPEG, OBSERVATIONS, PNG, image, observation

M = Modality
CLAIM = {"uri": "s3://b/k", "sha256": "0" * 64, "size": 9, "media_type": "image/png"}
BATTERY = OBSERVATIONS[M.BATTERY]
BATTERY_AVRO, BATTERY_JSON = encode(BATTERY), encode(BATTERY, "json")


def record(modality: Modality, /, **changes: Any) -> bytes:
    """A good JSON record with some fields changed; `None` removes one."""
    fields = {**json.loads(encode(OBSERVATIONS[modality], "json")), **changes}
    return json.dumps({k: v for k, v in fields.items() if v is not None}).encode()


def refuse(value: bytes | None, modality: Modality, limits: Limits = DEFAULT_LIMITS) -> str:
    with pytest.raises(RecordError) as refused:
        decode(value, modality, limits)
    return f"{type(refused.value).__name__}: {refused.value}"


@pytest.mark.parametrize(
    ("value", "error", "says"),
    [
        (None, EmptyRecord, "no value"),
        (b"", EmptyRecord, "no value"),
        (b"hello", UnknownEncoding, "68 65 6c 6c 6f"),
        (b"[1]", UnknownEncoding, "JSON object"),
        (b"   ", UnknownEncoding, "20 20 20"),
        (b"\xef\xbb\xbf", UnknownEncoding, "ef bb bf"),
        (b"\xc3", UnknownEncoding, "c3"),
        (b"\x00", NotSupportedYet, "Confluent"),
        (b"\x00\x00\x00\x00\x07abc", NotSupportedYet, "registry"),
        (MARKER, Malformed, "10 bytes"),
        (MARKER + b"12345678", UnknownSchema, b"12345678".hex()),
        (SCHEMAS[M.TEXT].header, UnknownSchema, "text observation on a battery topic"),
        (SCHEMAS[M.BATTERY].header, Malformed, "truncated or damaged"),
        (BATTERY_AVRO[:-1], Malformed, "truncated or damaged"),
        (BATTERY_AVRO + b"\x00", Malformed, "1 bytes follow"),
        (BATTERY_AVRO[:HEADER_BYTES] + b"\x01" + b"u" * 20, Malformed, "damaged"),
        (BATTERY_AVRO[:HEADER_BYTES] + b"\xff" * 9 + b"\x01" + b"u", Malformed, "damaged"),
        (BATTERY_AVRO[:HEADER_BYTES] + b"\xfe" * 8 + b"\x01" + b"u", Malformed, "damaged"),
        (BATTERY_AVRO[:HEADER_BYTES] + b"\x02\xff", Malformed, "damaged"),
        (BATTERY_JSON[:-1], Malformed, "JSON"),
        (BATTERY_JSON + b"x", Malformed, "trailing"),
        (b"{}", InvalidField, "unit_id: Field required"),
        (b'{"unit_id": "\xff"}', Malformed, "unicode"),
        (b'{"unit_id": "\\ud800"}', Malformed, "JSON"),
        (b'{"extra": NaN}', Malformed, "NaN"),
        (b'{"extra": -Infinity}', Malformed, "Infinity"),
        (b'{"extra": ' + b"9" * 5000 + b"}", Malformed, "number out of range"),
        (b'{"extra": ' + b"[" * 33 + b"]" * 33 + b"}", TooLarge, "34 deep"),
        (b'{"extra":' * 100_000, TooLarge, "100000 deep"),
        (b'{"extra": [' + b"[]," * 40_000 + b"[]]}", TooLarge, "40003 arrays and objects"),
    ],
)
def test_bytes(value: bytes | None, error: type[RecordError], says: str) -> None:
    message = refuse(value, M.BATTERY)
    assert message.startswith(error.__name__)
    assert says in message


@pytest.mark.parametrize(
    ("modality", "changes", "says"),
    [
        (M.TEXT, {"unit_id": "a b"}, "unit_id 'a b' is not"),
        (M.TEXT, {"unit_id": ""}, "unit_id"),
        (M.TEXT, {"unit_id": "x" * 129}, "unit_id"),
        (M.TEXT, {"unit_id": "LT-1\n"}, "unit_id"),
        (M.TEXT, {"unit_id": 17}, "unit_id: Input should be a valid string"),
        (M.TEXT, {"unit_id": None}, "unit_id: Field required"),
        (M.TEXT, {"observation_id": ""}, "observation_id"),
        (M.TEXT, {"source": "a\nb"}, "source"),
        (M.TEXT, {"captured_at": "12"}, "captured_at '12' is not ISO 8601"),
        (M.TEXT, {"captured_at": "2025-01-31T08:00:00"}, "of which zone"),
        (M.TEXT, {"captured_at": "2025-02-30T08:00:00Z"}, "is not ISO 8601"),
        (M.TEXT, {"captured_at": "٢٠٢٥-01-31T08:00:00Z"}, "is not ISO 8601"),
        (M.TEXT, {"captured_at": "0001-01-01T00:00:00+23:59"}, "send ms since 1970"),
        (M.TEXT, {"captured_at": -1}, "captured_at -1 is not between"),
        (M.TEXT, {"captured_at": 10**18}, "send ms since 1970"),
        (M.TEXT, {"captured_at": 10**30}, "send ms since 1970"),
        (M.TEXT, {"captured_at": 1.5}, "captured_at: Input should be a valid integer"),
        (M.TEXT, {"captured_at": True}, "captured_at: Input should be a valid integer"),
        (M.TEXT, {"modality": "visual"}, "modality: Input should be 'text'"),
        (M.TEXT, {"text": " \n"}, "text is empty"),
        (M.TEXT, {"language": "english please"}, "BCP 47"),
        (M.VISUAL, {"media_type": "image/gif"}, "media_type: Input should be 'image/jpeg'"),
        (M.VISUAL, {"media_type": "image/png"}, "does not start like image/png"),
        (M.VISUAL, {"image": "no base64!"}, "image is not base64"),
        (M.VISUAL, {"image": [1, 2]}, "image: Input should be base64 or a claim check"),
        (M.SPECTRAL, {"intensities": [1.0] * 7}, "at least 8"),
        (M.SPECTRAL, {"intensities": [1.0] * 9 + ["1"]}, "intensities.9: Input should be a valid"),
        (M.SPECTRAL, {"intensities": [True] * 9}, "intensities.0: Input should be a valid number"),
        (M.SPECTRAL, {"intensities": [1e300] * 9}, "NaN or infinity"),
        (M.SPECTRAL, {"intensities": 3}, "intensities: Input should be base64, a list of numbers"),
        (M.SPECTRAL, {"intensities": "AAAA"}, "3 bytes, not a multiple of 4"),
        (M.SPECTRAL, {"axis": 3}, "axis: Input should be an object"),
        (M.SPECTRAL, {"axis": {"start": 1, "stop": 2}}, "axis.unit: Field required"),
        (M.SPECTRAL, {"axis": {"start": 1, "stop": 1, "unit": "nm"}}, "strictly monotonic"),
        (M.SPECTRAL, {"axis": {"start": 1, "stop": 1e300, "unit": "nm"}}, "axis holds NaN"),
        (M.SPECTRAL, {"axis": {"positions": [1, 2], "unit": "nm"}}, "2 positions for 40"),
        (M.THERMAL, {"celsius": [[1, 2], [3]]}, "rows of celsius differ"),
        (M.THERMAL, {"celsius": [[1, 2], [3, 4]]}, "contradict"),
        (M.THERMAL, {"celsius": [[1, 2], [3, "4"]]}, "celsius.1.1: Input should be a valid number"),
        (M.THERMAL, {"rows": 5}, "24 values for 5 rows x 6 columns"),
        (M.THERMAL, {"rows": -4, "columns": -6}, "24 values for -4 rows"),
        (M.THERMAL, {"rows": None}, "rows and columns are needed"),
        (M.THERMAL, {"rows": 2, "columns": 2, "celsius": [1, 2, 3, 9999]}, "another unit"),
        (M.ACOUSTIC, {"sample_rate": 10}, "outside 1000 to 384000"),
        (M.ACOUSTIC, {"sample_format": "PCM24"}, "sample_format"),
        (M.ACOUSTIC, {"sample_format": "PCM16", "samples": [0.5] * 300}, "whole numbers"),
        (M.ACOUSTIC, {"sample_format": "PCM16", "samples": [32768] * 300}, "whole numbers"),
        (M.ACOUSTIC, {"samples": [0.5] * 3}, "at least 256"),
        (M.BATTERY, {"cycle": [1, 2]}, "differ in length"),
        (M.BATTERY, {"cycle": [8, 7, 6, 5, 4, 3, 2, 1]}, "increasing"),
        (M.BATTERY, {"cycle": None}, "or cycles, a list of rows"),
        (M.BATTERY, {"cycles": []}, "not both"),
    ],
)
def test_json_fields(modality: Modality, changes: dict[str, Any], says: str) -> None:
    message = refuse(record(modality, **changes), modality)
    assert message.startswith("InvalidField")
    assert says in message
    assert len(message) < 250


@pytest.mark.parametrize(
    ("modality", "field"),
    [
        (M.VISUAL, "image"),
        (M.SPECTRAL, "intensities"),
        (M.THERMAL, "celsius"),
        (M.ACOUSTIC, "samples"),
    ],
)
def test_claim_checks_are_not_supported_yet(modality: Modality, field: str) -> None:
    assert refuse(record(modality, **{field: CLAIM}), modality).startswith("NotSupportedYet")
    fields = {**json.loads(record(modality)), field: CLAIM}
    value = write_avro(fields, modality)
    assert f"{field} is sent by reference" in refuse(value, modality)


SMALL = Limits(
    record_bytes=20_000,
    pixels=100,
    spectrum_points=20,
    text_characters=10,
    thermal_pixels=20,
    audio_samples=300,
    cycles=5,
)


@pytest.mark.parametrize("encoding", ["avro", "json"])
@pytest.mark.parametrize("modality", list(Modality))
def test_bounds(modality: Modality, encoding: str) -> None:
    value = encode(OBSERVATIONS[modality], encoding)  # type: ignore[arg-type]
    assert decode(value, modality)
    assert refuse(value, modality, SMALL).startswith("TooLarge")


@pytest.mark.parametrize(
    ("modality", "field"),
    [(M.SPECTRAL, "intensities"), (M.THERMAL, "celsius"), (M.ACOUSTIC, "samples")],
)
def test_bounds_of_lists(modality: Modality, field: str) -> None:
    value = record(modality, **{field: [0.0] * 301})
    assert f"{field} has 301 items" in refuse(value, modality, SMALL)


def test_the_size_comes_first() -> None:
    assert "4194305 bytes" in refuse(b"\xff" * (DEFAULT_LIMITS.record_bytes + 1), M.TEXT)


def test_a_bomb_is_refused_by_its_header() -> None:
    bomb = bytearray(PNG)
    bomb[16:24] = (50_000).to_bytes(4, "big") * 2
    bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4, "big")
    value = encode(observation(Visual(bytes(bomb), "image/png")))
    assert "50000 x 50000 pixels" in refuse(value, M.VISUAL)


@pytest.mark.parametrize("cut", [JPEG[:20], PNG[:20], PNG[:8] + b"\x00" * 40])
def test_an_unreadable_image_header_is_malformed(cut: bytes) -> None:
    kind = "image/jpeg" if cut[0] == 0xFF else "image/png"
    value = encode(observation(Visual(cut, kind)))  # type: ignore[arg-type]
    assert "header cannot be read" in refuse(value, M.VISUAL)


def test_an_image_within_the_bound_is_accepted() -> None:
    value = encode(observation(Visual(image("PNG", 10, 10), "image/png")))
    assert decode(value, M.VISUAL, SMALL)
    value = encode(observation(Visual(image("PNG", 10, 11), "image/png")))
    assert "10 x 11" in refuse(value, M.VISUAL, SMALL)


def test_messages_do_not_echo_the_payload() -> None:
    secret = "s3cret" * 1000
    for value in (record(M.TEXT, language=secret), record(M.TEXT, captured_at=secret)):
        assert len(refuse(value, M.TEXT)) < 200


def test_a_million_faults_are_one_fault() -> None:
    message = refuse(record(M.SPECTRAL, intensities=[None] * 500_000), M.SPECTRAL)
    assert "intensities.0" in message


def test_what_cannot_be_sent_is_refused_by_the_sender() -> None:
    with pytest.raises(InvalidField, match="surrogate"):
        Text("broken \ud800 text", "en")
    payload = OBSERVATIONS[M.SPECTRAL].payload
    assert isinstance(payload, Spectral)
    wide = observation(Spectral(np.full(40, 1e300), payload.axis, "nm"))  # type: ignore[arg-type]
    with pytest.raises(InvalidField, match="beyond the range of float32"):
        encode(wide)


def test_extremes_of_float32_raise_no_warning() -> None:
    huge = float(np.finfo(np.float32).max)
    axis = [-huge, *range(38), huge]
    value = record(M.SPECTRAL, axis={"positions": axis, "unit": "nm"})
    assert math.isclose(float(decode(value, M.SPECTRAL).payload.axis[-1]), huge)  # type: ignore
    value = record(M.SPECTRAL, axis={"start": -1e308, "stop": 1e308, "unit": "nm"})
    assert "NaN or infinity" in refuse(value, M.SPECTRAL)


def test_base64_of_another_alphabet_is_refused() -> None:
    value = base64.urlsafe_b64encode(b"\xff\xfe\xfd" * 20).decode()
    assert "not base64" in refuse(record(M.VISUAL, image=value), M.VISUAL)
