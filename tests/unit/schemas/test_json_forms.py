"""The friendly forms of JSON: lists, rows, times as text, unknown fields, white space."""

import json
from typing import Any

import numpy as np
import pytest

from schemas import Modality, decode, encode

from .strategies import OBSERVATIONS, same

M = Modality


def fields(modality: Modality) -> dict[str, Any]:
    return json.loads(encode(OBSERVATIONS[modality], "json"))  # type: ignore[no-any-return]


def check(modality: Modality, record: dict[str, Any]) -> None:
    assert same(decode(json.dumps(record).encode(), modality), OBSERVATIONS[modality])


@pytest.mark.parametrize(
    "text",
    [
        "2025-01-31T08:00:00.123Z",
        "2025-01-31T08:00:00.123999Z",
        "2025-01-31t08:00:00.123z",
        "2025-01-31 09:00:00.123+01:00",
        "2025-01-30T22:30:00.1230000001-09:30",
    ],
)
def test_times_as_text(text: str) -> None:
    check(M.TEXT, {**fields(M.TEXT), "captured_at": text})


def test_the_modality_may_be_left_out_and_unknown_fields_added() -> None:
    record = fields(M.TEXT)
    del record["modality"]
    check(M.TEXT, {**record, "operator": {"name": "Kim", "shift": [1, 2]}, "humidity": 0.4})


def test_of_repeated_fields_the_last_counts() -> None:
    record = json.dumps(fields(M.TEXT)).encode()
    twice = record.replace(b"{", b'{"language": "fr", ', 1)
    assert same(decode(twice, M.TEXT), OBSERVATIONS[M.TEXT])


@pytest.mark.parametrize("prefix", [b"\xef\xbb\xbf", b" \r\n\t", b"\xef\xbb\xbf\n "])
def test_what_may_stand_before_the_brace(prefix: bytes) -> None:
    value = prefix + json.dumps(fields(M.TEXT)).encode()
    assert same(decode(value, M.TEXT), OBSERVATIONS[M.TEXT])


def test_quotes_brackets_and_backslashes_in_strings_are_not_structure() -> None:
    note = '\\" [[[[ {{{{ \\\\" NaN Infinity ' + "[" * 100 + '"\\'
    record = {**fields(M.TEXT), "text": note}
    payload = decode(json.dumps(record).encode(), M.TEXT).payload
    assert payload.text == note  # type: ignore[union-attr]


def test_a_spectrum_as_lists() -> None:
    payload = OBSERVATIONS[M.SPECTRAL].payload
    record = fields(M.SPECTRAL)
    record["intensities"] = payload.intensities.tolist()  # type: ignore[union-attr]
    check(M.SPECTRAL, record)
    record["axis"] = {"positions": payload.axis.tolist(), "unit": "nm"}  # type: ignore[union-attr]
    check(M.SPECTRAL, record)


def test_a_thermal_image_as_a_list_and_as_rows() -> None:
    grid = OBSERVATIONS[M.THERMAL].payload.celsius  # type: ignore[union-attr]
    record = fields(M.THERMAL)
    check(M.THERMAL, {**record, "celsius": grid.ravel().tolist()})
    check(M.THERMAL, {**record, "celsius": grid.tolist()})
    del record["rows"], record["columns"]
    check(M.THERMAL, {**record, "celsius": grid.tolist()})


def test_samples_as_a_list_of_either_format() -> None:
    samples = OBSERVATIONS[M.ACOUSTIC].payload.samples  # type: ignore[union-attr]
    check(M.ACOUSTIC, {**fields(M.ACOUSTIC), "samples": samples.tolist()})
    whole = {"samples": [-32768, 0, 16384] * 100, "sample_format": "PCM16"}
    value = json.dumps({**fields(M.ACOUSTIC), **whole}).encode()
    read = decode(value, M.ACOUSTIC).payload.samples  # type: ignore[union-attr]
    assert np.array_equal(read, np.array([-1, 0, 0.5] * 100, dtype=np.float32))


def test_a_cycle_table_as_columns_and_as_rows() -> None:
    table = OBSERVATIONS[M.BATTERY].payload
    columns = {
        "cycle": table.cycle.tolist(),  # type: ignore[union-attr]
        "capacity_ah": table.capacity.tolist(),  # type: ignore[union-attr]
        "internal_resistance_ohm": table.resistance.tolist(),  # type: ignore[union-attr]
    }
    record = fields(M.BATTERY)
    check(M.BATTERY, {**record, **columns})
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    head = {name: value for name, value in record.items() if name not in columns}
    check(M.BATTERY, {**head, "cycles": rows})
