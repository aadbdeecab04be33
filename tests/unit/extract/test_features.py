"""Features: of their shape, finite and bounded, whatever valid payload they are asked about."""

import contextlib
import io
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from agents.extract.kinds import CLIP, KINDS, extract
from agents.extract.spectrum import SETTINGS as SPECTRUM
from agents.lab.simulator import simulate_unit
from schemas.errors import RecordError, TooLarge, UnusablePayload
from schemas.limits import DEFAULT_LIMITS
from schemas.modality import MODALITIES, Modality
from schemas.observation import Acoustic, Battery, Payload, Spectral, Text, Thermal, Visual

quick = settings(max_examples=40, deadline=None)


def check(payload: Payload) -> np.ndarray:
    features = extract(payload)
    assert features.shape == KINDS[payload.modality].shape
    assert features.dtype == np.float16
    assert np.isfinite(features).all()
    assert np.abs(features).max() <= CLIP
    assert np.array_equal(features, extract(payload))
    return features


def picture(image: Image.Image, kind: str = "PNG", **options: object) -> Visual:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return Visual(buffer.getvalue(), "image/png" if kind == "PNG" else "image/jpeg")


@pytest.mark.parametrize("modality", MODALITIES)
def test_simulated_units_have_features_of_about_unit_scale(modality: Modality) -> None:
    features = np.stack([check(simulate_unit(1, i).payload(modality)) for i in range(40)])
    features = features.astype(np.float32)
    assert 0.1 < features.std() < 3
    assert abs(features.mean()) < 2
    assert (np.abs(features) == CLIP).mean() < 0.01


# Images


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (3, 2), (640, 480), (1500, 1000)])
@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("RGB", "JPEG"), ("L", "JPEG"), ("CMYK", "JPEG"), ("RGB", "PNG"), ("RGBA", "PNG"),
        ("L", "PNG"), ("LA", "PNG"), ("P", "PNG"), ("1", "PNG"), ("I;16", "PNG"),
    ],
)  # fmt: skip
def test_any_image(size: tuple[int, int], mode: str, kind: str) -> None:
    check(picture(Image.new(mode, size), kind))


def test_modes_of_one_picture_have_nearly_the_same_features() -> None:
    gray = np.add.outer(np.arange(96), np.arange(128)).astype(np.uint8)
    plain = check(picture(Image.fromarray(gray)))
    deep = check(picture(Image.fromarray(gray.astype(np.uint16) * 257)))
    assert np.allclose(plain, deep, atol=0.05)
    palette = check(picture(Image.fromarray(gray).convert("P"), transparency=bytes(range(256))))
    assert np.allclose(plain, palette, atol=0.05)
    assert np.allclose(plain[:3], check(picture(Image.fromarray(gray), "JPEG"))[:3], atol=0.1)


def test_fine_scratches_and_cracks_survive_in_the_detail() -> None:
    pixels = np.full((480, 640), 120, np.uint8)
    plain = check(picture(Image.fromarray(pixels)))
    pixels[200:204, 50:600] = 200
    pixels[300:304, 50:600] = 20
    marked = check(picture(Image.fromarray(pixels)))
    assert (marked - plain)[3].max() > 0.5
    assert (marked - plain)[4].max() > 0.5


def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded() -> None:
    side = int(DEFAULT_LIMITS.pixels**0.5) + 1
    for width, height in ((side, side), (2**15, 2**14), (2**31 - 1, 2**31 - 1)):
        header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x00\x00\x00\x00"
        chunk = b"IHDR" + header
        image = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0d" + chunk + zlib.crc32(chunk).to_bytes(4, "big")
        image += b"\x00\x00\x00\x00IDAT" + zlib.crc32(b"IDAT").to_bytes(4, "big")
        with pytest.raises(TooLarge, match="pixels"):
            extract(Visual(image, "image/png"))


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@given(keep=st.floats(0, 0.9), flips=st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255))))
@settings(max_examples=60, deadline=None)
def test_broken_images_are_unusable_and_nothing_worse(
    kind: str, keep: float, flips: list[tuple[float, int]]
) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)
    whole = picture(Image.fromarray(noise), kind)
    cut = whole.image[: 8 + int(keep * (len(whole.image) - 8))]
    with pytest.raises(UnusablePayload):
        extract(Visual(cut, whole.media_type))
    bent = bytearray(whole.image)
    for at, bits in flips:
        bent[8 + int(at * (len(bent) - 9))] ^= bits
    with contextlib.suppress(RecordError):  # a flipped pixel is still a picture
        check(Visual(bytes(bent), whole.media_type))


# Spectra


@given(
    st.integers(8, 300).flatmap(
        lambda n: st.tuples(
            hnp.arrays(np.float32, n, elements=st.floats(-(2.0**100), 2.0**100, width=32)),
            st.floats(-5e3, 5e3),
            st.floats(0.001, 50),
            st.booleans(),
            st.sampled_from(["nm", "cm-1"]),
        )
    )
)
@quick
def test_any_spectrum(case: tuple[np.ndarray, float, float, bool, str]) -> None:
    intensities, start, step, falling, unit = case
    axis = (start + step * np.arange(len(intensities))).astype(np.float32)
    if (np.diff(axis) > 0).all():
        payload = Spectral(intensities, axis[::-1].copy() if falling else axis, unit)  # type: ignore[arg-type]
        check(payload)


def test_unit_direction_gain_and_offset_of_a_spectrum_do_not_matter() -> None:
    spectrum = simulate_unit(1, 4).payload(Modality.SPECTRAL)
    assert isinstance(spectrum, Spectral)
    expected = check(spectrum)
    turned = Spectral(
        7 * spectrum.intensities[::-1] + 3, (1e7 / spectrum.axis[::-1]).astype(np.float32), "cm-1"
    )
    assert np.allclose(check(turned), expected, atol=0.02)


def test_a_constant_spectrum_has_no_shape_and_a_narrow_one_is_extended() -> None:
    axis = np.linspace(1000, 1300, 50, dtype=np.float32)
    assert not check(Spectral(np.full(50, 0.7, np.float32), axis, "nm")).any()
    narrow = check(Spectral(axis.copy(), axis, "nm"))[0]
    common = np.linspace(SPECTRUM.start_nm, SPECTRUM.stop_nm, SPECTRUM.points)
    assert np.ptp(narrow[common < 1000]) == 0
    assert np.ptp(narrow[common > 1300]) == 0


def test_a_dense_narrow_spectrum_is_quick() -> None:
    points = DEFAULT_LIMITS.spectrum_points
    axis = np.linspace(0.1, 1, points, dtype=np.float32)
    check(Spectral(np.sin(axis), axis, "nm"))


# Notes


@given(st.text(min_size=1, max_size=300).filter(str.strip))
@quick
def test_any_note(text: str) -> None:
    check(Text(text, "en"))


def test_notes_compare_as_they_read() -> None:
    def vector(text: str) -> np.ndarray:
        features = check(Text(text, "en-GB")).astype(np.float32)
        scaled: np.ndarray = features / np.linalg.norm(features)
        return scaled

    note = vector("keyboard fault, display ok")
    assert np.array_equal(note, vector("Ｋeyboard FAULT, display ok"))
    assert note @ vector("keybaord fault, display ok") > note @ vector("fan noisy, battery weak")
    assert not extract(Text("...", "en")).any()


def test_the_hash_is_the_same_for_ever() -> None:
    # Shipped weights were trained on these buckets: this value may only change with them.
    assert int(np.abs(extract(Text("fan", "en"))[:512]).argmax()) == zlib.crc32(b"fan") % 512


# Thermal images, sound, cycle tables


@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=70),
        elements=st.floats(-273, 2000, width=32),
    )
)
@quick
def test_any_thermal_grid(celsius: np.ndarray) -> None:
    check(Thermal(celsius))


def test_thermal_features_forget_ambient_and_keep_one_hot_pixel() -> None:
    assert not check(Thermal(np.full((24, 32), 31.5, np.float32))).any()
    for shape in ((24, 32), (240, 320), (3, 5)):
        grid = np.full(shape, 20.0, np.float32)
        grid[shape[0] // 2, shape[1] // 2] = 35.0
        assert check(Thermal(grid))[1].max() == 3.0


@given(
    hnp.arrays(np.float32, st.integers(256, 3000), elements=st.floats(-1, 1, width=32)),
    st.sampled_from([1000, 1003, 8000, 44_100, 384_000]),
)
@quick
def test_any_sound(samples: np.ndarray, rate: int) -> None:
    check(Acoustic(samples, rate))


def test_silence_overload_and_length() -> None:
    check(Acoustic(np.zeros(4000, np.float32), 8000))
    check(Acoustic(np.full(4000, 1e30, np.float32), 8000))
    check(Acoustic(np.zeros(DEFAULT_LIMITS.audio_samples, np.float32), 8000))


@pytest.mark.parametrize("hertz", [440.0, 1500.0])
def test_a_tone_is_the_same_at_any_sample_rate(hertz: float) -> None:
    def loudest(rate: int) -> int:
        tone = 0.5 * np.sin(2 * np.pi * hertz * np.arange(rate) / rate)
        return int(check(Acoustic(tone.astype(np.float32), rate))[0].argmax())

    assert abs(loudest(8000) - loudest(44_100)) <= 1


@given(
    st.integers(1, 80).flatmap(
        lambda n: st.tuples(
            hnp.arrays(np.int32, n, elements=st.integers(1, 1000)),
            hnp.arrays(np.float32, n, elements=st.floats(0, 10_000, width=32)),
            hnp.arrays(np.float32, n, elements=st.floats(0, 1_000, width=32)),
        )
    )
)
@quick
def test_any_cycle_table(columns: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    steps, capacity, resistance = columns
    check(Battery(np.cumsum(steps).astype(np.int32), capacity, resistance))


def test_fade_shows_in_the_battery_features() -> None:
    cycle = np.arange(0, 600, 20, dtype=np.int32)
    flat = np.full(30, 5.0, np.float32)
    fading = np.linspace(5.0, 3.5, 30, dtype=np.float32)
    ohm = np.full(30, 0.08, np.float32)
    assert check(Battery(cycle, fading, ohm))[31] < check(Battery(cycle, flat, ohm))[31] - 1
