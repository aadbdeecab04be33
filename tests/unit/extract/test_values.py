"""The values before clipping and rounding: as the plain way gives them, one payload at a time.

Shipped weights were trained on these values, so they may only change with the weights.
"""

import io
import string
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.plain_features import plain_features

from agents.extract.kinds import CLIP, KINDS
from agents.lab.simulator import simulate_unit
from schemas.modality import MODALITIES, Modality
from schemas.observation import Acoustic, Battery, Payload, Spectral, Text, Thermal, Visual

quick = settings(max_examples=60, deadline=None)


def assert_plain(payloads: list[Payload]) -> None:
    """In one batch, as far as clipping leaves anything of a difference."""
    kind = KINDS[payloads[0].modality]
    found = kind.batch([kind.prepare(payload) for payload in payloads])
    expected = np.stack([plain_features(payload) for payload in payloads])
    np.testing.assert_allclose(
        np.clip(found, -CLIP, CLIP), np.clip(expected, -CLIP, CLIP), rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("modality", MODALITIES)
def test_simulated_payloads(modality: Modality) -> None:
    assert_plain([simulate_unit(3, index).payload(modality) for index in range(60)])


def photographs() -> Iterator[Visual]:
    rng = np.random.default_rng(1)
    for width, height in ((1, 1), (1, 300), (7, 3), (33, 130), (128, 128), (257, 255), (900, 700)):
        pixels = rng.integers(0, 256, (height, width, 4), np.uint8)
        pixels[: height // 2] //= 4
        for mode, name in (
            ("RGB", "JPEG"), ("L", "JPEG"), ("CMYK", "JPEG"),
            ("RGB", "PNG"), ("RGBA", "PNG"), ("L", "PNG"), ("LA", "PNG"),
            ("P", "PNG"), ("1", "PNG"),
        ):  # fmt: skip
            file = io.BytesIO()
            picture = Image.fromarray(pixels).convert("RGB")
            (Image.fromarray(pixels) if mode == "RGBA" else picture.convert(mode)).save(file, name)
            yield Visual(file.getvalue(), f"image/{name.lower()}")  # type: ignore[arg-type]
        file = io.BytesIO()
        Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(file, "PNG")
        yield Visual(file.getvalue(), "image/png")


def test_photographs_of_any_size_and_mode() -> None:
    assert_plain(list(photographs()))


def test_spectra_on_any_axis() -> None:
    rng = np.random.default_rng(2)
    axes = [
        (np.linspace(start, stop, points), unit)
        for points in (8, 9, 128, 700, 5000)
        for start, stop, unit in (
            (900, 1700, "nm"), (1700, 900, "nm"), (350, 1100, "nm"), (1200, 1201, "nm"),
            (2000, 2500, "nm"), (-100, 900, "nm"), (5882, 11111, "cm-1"), (11111, 5882, "cm-1"),
            (400, 4000, "cm-1"), (-50, 9000, "cm-1"), (-9000, -50, "cm-1"),
        )
    ]  # fmt: skip
    uneven = np.cumsum(rng.uniform(0.1, 20, 90)) + 880
    assert_plain([
        Spectral(values.astype(np.float32), axis.astype(np.float32), unit)  # type: ignore[arg-type]
        for axis, unit in [*axes, (uneven, "nm"), (uneven[::-1], "nm"), (1e7 / uneven, "cm-1")]
        for values in (rng.uniform(0, 1, len(axis)), np.full(len(axis), 0.3), 1e20 * np.sin(axis))
    ])  # fmt: skip


def test_thermal_grids_of_any_size() -> None:
    rng = np.random.default_rng(3)
    assert_plain([
        Thermal(rng.normal(25, 9, (rows, columns)).astype(np.float32))
        for rows in (2, 3, 11, 12, 13, 24, 120, 121)
        for columns in (2, 5, 15, 16, 17, 31, 32, 161)
    ])  # fmt: skip


def test_sounds_of_any_length_and_rate() -> None:
    rng = np.random.default_rng(4)
    assert_plain([
        Acoustic((loud * rng.standard_normal(length)).astype(np.float32), rate)
        for rate in (1000, 1003, 8000, 11_025, 44_100, 96_000)
        for length in (256, 511, 512, 513, 640, 4000, 4001, 130_000)
        for loud in (0.0, 0.1, 5.0)
    ])  # fmt: skip


def test_cycle_tables_of_any_length() -> None:
    rng = np.random.default_rng(5)
    tables: list[Payload] = []
    for rows in (1, 2, 3, 4, 7, 8, 11, 12, 32, 60, 3000):
        cycle = np.cumsum(rng.integers(1, 50, rows)).astype(np.int32)
        for scale in (0.0, 1.0, 4000.0):
            columns = scale * rng.uniform(0.2, 1, (2, rows)).astype(np.float32)
            tables.append(Battery(cycle, columns[0], columns[1] / 10))
    far = np.array([0, 1, 2**31 - 1], np.int32)
    assert_plain([*tables, Battery(far, np.ones(3, np.float32), np.ones(3, np.float32))])


NOTES = [
    "fan fan fan noisy, no kb issue", "a", "?", "...", "ab", "a b", "<2h & >1 + ok?", "x_y 12 1.5",
    "Akku schwach, Gehäuse ÄRGERLICH verkratzt – Lüfter lärmt", "ｋｅｙｂｏａｒｄ ﬁne ½ ﷺ",
    "屏幕 闪烁 键盘失灵", "батарея вздулась", "لوحة المفاتيح", "😀 emoji 👩‍🔧 ok",
    "e\u0301 \u00e9 \u0345 İ ß",
    "a\u00a0b\u2003c\u200bd", "\x00 \x1f word", "ok " * 500, string.printable, "abcd" * 400,
]  # fmt: skip


def test_notes_in_any_script() -> None:
    assert_plain([Text(text, "en") for text in NOTES])


@given(st.lists(st.text(min_size=1, max_size=60).filter(str.strip), min_size=1, max_size=4))
@quick
def test_any_notes(texts: list[str]) -> None:
    assert_plain([Text(text, "en") for text in texts])
