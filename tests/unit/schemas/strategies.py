"""Hypothesis strategies and examples of observations, shared by the tests of this folder."""

from io import BytesIO

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from schemas import (
    Acoustic,
    Battery,
    Modality,
    Observation,
    Payload,
    Spectral,
    Text,
    Thermal,
    Visual,
)
from schemas.times import MAX_TIME_MS, MIN_TIME_MS


def image(kind: str, width: int = 24, height: int = 16) -> bytes:
    file = BytesIO()
    Image.new("RGB", (width, height), (90, 120, 60)).save(file, kind)
    return file.getvalue()


PNG, JPEG = image("PNG"), image("JPEG")

PAYLOADS: dict[Modality, Payload] = {
    Modality.VISUAL: Visual(JPEG, "image/jpeg"),
    Modality.SPECTRAL: Spectral(
        np.linspace(0.1, 0.9, 40, dtype=np.float32),
        np.linspace(900, 1700, 40, dtype=np.float32),
        "nm",
    ),
    Modality.TEXT: Text('Akku gebläht, "riecht" \\ n. Lösemittel 🔋', "de-AT"),
    Modality.THERMAL: Thermal(np.linspace(20, 48, 24, dtype=np.float32).reshape(4, 6)),
    Modality.ACOUSTIC: Acoustic(np.sin(np.arange(400, dtype=np.float32)) / 2, 16_000),
    Modality.BATTERY: Battery(
        np.arange(1, 9, dtype=np.int32),
        np.linspace(4.2, 3.1, 8, dtype=np.float32),
        np.linspace(0.05, 0.09, 8, dtype=np.float32),
    ),
}


def observation(payload: Payload) -> Observation:
    return Observation("LT-000017", "obs-1", 1_738_310_400_123, "station-2", payload)


OBSERVATIONS = {modality: observation(payload) for modality, payload in PAYLOADS.items()}


def same(one: Observation, other: Observation) -> bool:
    """Equal in every field, arrays by dtype, shape and every bit."""

    def plain(item: Observation) -> list[object]:
        payload = item.payload
        fields = [getattr(payload, name) for name in type(payload).__slots__]
        return [
            (item.unit_id, item.observation_id, item.captured_at, item.source, type(payload)),
            *(
                (f.dtype.str, f.shape, (f + 0).tobytes()) if isinstance(f, np.ndarray) else f
                for f in fields
            ),
        ]

    return plain(one) == plain(other)


def floats(count: st.SearchStrategy[int], low: float, high: float) -> st.SearchStrategy[np.ndarray]:
    elements = st.floats(low, high, width=32, allow_nan=False)
    return count.flatmap(lambda n: hnp.arrays(np.float32, n, elements=elements))


unit_ids = st.from_regex(r"[A-Za-z0-9._:/\-]{1,128}", fullmatch=True)
names = st.text(min_size=1, max_size=40).filter(str.isprintable)

visuals = st.sampled_from([Visual(PNG, "image/png"), Visual(JPEG, "image/jpeg")])


@st.composite
def spectra(draw: st.DrawFn) -> Spectral:
    count = draw(st.integers(8, 40))
    intensities = draw(floats(st.just(count), -(2.0**100), 2.0**100))
    if draw(st.booleans()):
        axis = np.linspace(400, 400 + draw(st.integers(1, 3000)), count, dtype=np.float32)
    else:
        steps = draw(hnp.arrays(np.float32, count, elements=st.integers(1, 50).map(float)))
        axis = np.cumsum(steps, dtype=np.float32)
    if draw(st.booleans()):
        axis = axis[::-1].copy()
    return Spectral(intensities, axis, draw(st.sampled_from(["nm", "cm-1"])))


texts = st.builds(
    Text,
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=200).filter(str.strip),
    st.sampled_from(["en", "de-AT", "zh-Hans-CN"]),
)

thermals = st.tuples(st.integers(2, 6), st.integers(2, 6)).flatmap(
    lambda shape: hnp.arrays(np.float32, shape, elements=st.floats(-273, 2000, width=32)).map(
        Thermal
    )
)

pcm = hnp.arrays(np.int16, 256).map(lambda k: k.astype(np.float32) / np.float32(32768))
acoustics = st.builds(
    Acoustic, pcm | floats(st.integers(256, 300), -1, 1), st.integers(1_000, 384_000)
)


@st.composite
def batteries(draw: st.DrawFn) -> Battery:
    cycles = draw(st.sets(st.integers(0, 2**31 - 1), min_size=1, max_size=30))
    count = st.just(len(cycles))
    return Battery(
        np.array(sorted(cycles), dtype=np.int32),
        draw(floats(count, 0, 10_000)),
        draw(floats(count, 0, 1_000)),
    )


observations = st.builds(
    Observation,
    unit_ids,
    names,
    st.integers(MIN_TIME_MS, MAX_TIME_MS),
    names,
    st.one_of(visuals, spectra(), texts, thermals, acoustics, batteries()),
)
