"""Files as payloads: each format as instruments write it, and what is said of the others."""

import io
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from schemas.modality import Modality
from schemas.observation import Acoustic, Battery, Spectral, Text, Thermal, Visual
from stream.cli.files import read_file
from stream.errors import FileProblem

SPECTRUM = [(900.0 + 10 * i, 0.1 * i) for i in range(12)]


@pytest.fixture
def write(tmp_path: Path):
    def write(name: str, content: bytes | str) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def rows(pairs, delimiter=",") -> str:
    return "".join(delimiter.join(str(cell) for cell in row) + "\n" for row in pairs)


def image(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 12), "red").save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize(("kind", "name"), [("JPEG", "a.jpg"), ("PNG", "a.png"), ("PNG", "a.dat")])
def test_photos_are_known_by_their_bytes(write, kind, name) -> None:
    payload = read_file(write(name, image(kind)))
    assert isinstance(payload, Visual)
    assert payload.media_type == f"image/{kind.lower()}"


def test_a_note(write) -> None:
    payload = read_file(write("note.txt", "\ufeffakku gebläht"), language="de")
    assert payload == Text("akku gebläht", "de")
    with pytest.raises(FileProblem, match="not UTF-8"):
        read_file(write("note.md", b"gebl\xe4ht"))


@pytest.mark.parametrize(
    ("heading", "unit"),
    [
        ("wavelength_nm,intensity", "nm"),
        ("Wavelength (nm),Counts", "nm"),
        ("nm,a.u.", "nm"),
        ("Raman shift (cm-1),Intensity", "cm-1"),
        ("wavenumber,absorbance", "cm-1"),
        ("cm^-1,y", "cm-1"),
    ],
)
def test_a_spectrum_whose_heading_tells_the_unit(write, heading, unit) -> None:
    payload = read_file(write("s.csv", f"{heading}\n{rows(SPECTRUM)}"))
    assert isinstance(payload, Spectral)
    assert payload.unit == unit
    np.testing.assert_allclose(payload.axis, [x for x, _ in SPECTRUM])
    np.testing.assert_allclose(payload.intensities, [y for _, y in SPECTRUM], rtol=1e-6)


def test_a_spectrum_without_a_heading_needs_the_unit(write) -> None:
    path = write("s.csv", "# measured today\n" + rows(reversed(SPECTRUM)))
    with pytest.raises(FileProblem, match="say --unit nm or cm-1"):
        read_file(path)
    payload = read_file(path, unit="cm-1")
    assert isinstance(payload, Spectral)
    assert payload.axis[0] > payload.axis[-1]


def test_decimal_commas_and_tabs(write) -> None:
    text = rows(SPECTRUM, ";").replace(".", ",")
    payload = read_file(write("s.csv", text), unit="nm")
    assert isinstance(payload, Spectral)
    assert payload.axis[1] == 910
    assert read_file(write("s.tsv", rows(SPECTRUM, "\t")), unit="nm").modality is Modality.SPECTRAL


def test_a_cycle_table_in_any_order_of_columns(write) -> None:
    text = "Internal resistance [ohm],Cycle,Capacity (Ah)\n0.05,1,4.1\n0.06,20,3.9\n"
    payload = read_file(write("b.csv", text))
    assert isinstance(payload, Battery)
    assert payload.cycle.tolist() == [1, 20]
    np.testing.assert_allclose(payload.capacity, [4.1, 3.9], rtol=1e-6)
    np.testing.assert_allclose(payload.resistance, [0.05, 0.06], rtol=1e-6)


def test_a_cycle_table_without_a_heading_must_be_named(write) -> None:
    path = write("b.csv", "1,4.1,0.05\n20,3.9,0.06\n")
    with pytest.raises(FileProblem, match="say --modality battery, spectral or thermal"):
        read_file(path)
    assert read_file(path, modality="battery").modality is Modality.BATTERY
    assert read_file(path, modality="thermal").modality is Modality.THERMAL


def test_a_thermal_grid(write) -> None:
    grid = np.array([[20.5, 21.0, 22.0], [23.0, 24.0, 40.25]])
    buffer = io.BytesIO()
    np.save(buffer, grid)
    for path, modality in (
        (write("t.npy", buffer.getvalue()), None),
        (write("t.csv", rows(grid.tolist())), "thermal"),
    ):
        payload = read_file(path, modality=modality)
        assert isinstance(payload, Thermal)
        np.testing.assert_allclose(payload.celsius, grid)


@pytest.mark.parametrize(
    "array",
    [np.array([[{}]], object), np.zeros(4), np.array([["a", "b"]]), np.zeros((2, 2), complex)],
)
def test_other_arrays_are_refused(write, array) -> None:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    with pytest.raises(FileProblem, match=r"two-dimensional|not a readable \.npy"):
        read_file(write("t.npy", buffer.getvalue()))


def pcm16(channels: int, samples) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(np.asarray(samples, "<i2").tobytes())
    return buffer.getvalue()


def riff(coding: int, bits: int, body: bytes, channels: int = 1, rate: int = 16_000) -> bytes:
    frame = channels * bits // 8
    form = struct.pack("<HHIIHH", coding, channels, rate, rate * frame, frame, bits)
    chunks = b"LIST" + struct.pack("<I", 3) + b"abc\0"  # odd, and so padded
    chunks += b"fmt " + struct.pack("<I", len(form)) + form
    chunks += b"data" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def test_a_mono_recording_is_read_exactly(write) -> None:
    samples = np.arange(-500, 500) * 32
    payload = read_file(write("fan.wav", pcm16(1, samples)))
    assert isinstance(payload, Acoustic)
    assert payload.sample_rate == 8000
    np.testing.assert_array_equal(payload.samples, (samples / 32768).astype(np.float32))


def test_stereo_is_averaged(write) -> None:
    stereo = np.stack([np.full(300, 16384), np.full(300, -8192)], axis=1)
    payload = read_file(write("fan.wav", pcm16(2, stereo)))
    assert isinstance(payload, Acoustic)
    np.testing.assert_allclose(payload.samples, 0.125)


@pytest.mark.parametrize(
    ("coding", "bits", "body"),
    [
        (3, 32, np.full(300, 0.5, "<f4").tobytes()),
        (3, 64, np.full(300, 0.5, "<f8").tobytes()),
        (1, 8, np.full(300, 192, "u1").tobytes()),
        (1, 24, b"\x00\x00\x40" * 300),
        (1, 32, np.full(300, 2**30, "<i4").tobytes()),
    ],
)
def test_other_codings(write, coding, bits, body) -> None:
    payload = read_file(write("fan.wav", riff(coding, bits, body)))
    assert isinstance(payload, Acoustic)
    np.testing.assert_allclose(payload.samples, 0.5)


WRONG = [
    ("fan.wav", riff(7, 8, bytes(300)), None, "coding 7 with 8 bits"),
    ("fan.wav", pcm16(1, range(300))[:30], None, "truncated"),
    ("fan.wav", riff(1, 16, b"", 1), None, "truncated"),
    ("fan.wav", riff(1, 16, bytes(600), 0), None, "contradicts itself"),
    ("fan.wav", b"no recording", "acoustic", "not a WAV file"),
    ("lid.bmp", b"BM..", None, "say --modality"),
    ("lid.bmp", b"BM..", "visual", "neither JPEG nor PNG"),
    ("s.csv", "", None, "the table is empty"),
    ("s.csv", "nm,y\n", None, "a heading and no rows"),
    ("s.csv", "nm,y\n1,2\n3\n", None, "row 2 has 1 cells"),
    ("s.csv", "nm,y\n1,high\n", None, "row 1: could not convert string to float: 'high'"),
    ("s.csv", "nm,y\n1,2\n2,3\n", None, "at least 8 points"),
    ("s.csv", b"\xff\xfe1,2", None, "not UTF-8"),
    ("s.csv", "1,2,3\n", "spectral", "two columns"),
    ("b.csv", "cycle,ah\n1,2\n", "battery", "capacity_ah"),
    ("b.csv", "cycle,capacity_ah,internal_resistance_ohm\n1.5,2,3\n", None, "whole numbers"),
    ("b.csv", "1,2\n", "battery", "capacity_ah"),
    ("t.csv", "a,b\n1,2\n", "thermal", "without a heading"),
    ("t.csv", "1,nan\n1,2\n", "thermal", "NaN or infinity"),
]


@pytest.mark.parametrize(("name", "content", "modality", "message"), WRONG)
def test_what_is_wrong_names_the_file(write, name, content, modality, message) -> None:
    path = write(name, content)
    with pytest.raises(FileProblem, match=message) as caught:
        read_file(path, modality=modality)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match="No such file"):
        read_file(tmp_path / "none.jpg")
    with pytest.raises(FileProblem, match=r"Is a directory|cannot read"):
        read_file(tmp_path)
