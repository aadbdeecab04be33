"""The registry: batches, what fails in them, and what a fingerprint depends on."""

import logging
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.extract import kinds, note
from agents.extract.kinds import CLIP, KINDS, PayloadKind, extract
from agents.lab.simulator import simulate_unit
from schemas.errors import RecordError, TooLarge, UnusablePayload
from schemas.modality import MODALITIES, Modality
from schemas.observation import Payload, Text, Thermal, Visual

UNITS = 12
PAYLOADS = {m: [simulate_unit(2, i).payload(m) for i in range(UNITS)] for m in MODALITIES}
ALONE = {m: [extract(payload).tobytes() for payload in PAYLOADS[m]] for m in MODALITIES}

BROKEN = Visual(b"\xff\xd8\xff but then nothing", "image/jpeg")


def test_every_modality_has_a_kind_and_every_kind_another_fingerprint() -> None:
    assert list(KINDS) == list(MODALITIES)
    names = [kind.name for kind in KINDS.values()]
    assert names == ["image", "spectrum", "note", "thermal-grid", "sound", "cycle-table"]
    prints = {kind.fingerprint for kind in KINDS.values()}
    assert len(prints) == len(KINDS)
    assert all(len(p) == 16 and int(p, 16) >= 0 for p in prints)


def test_settings_and_version_change_the_fingerprint_and_nothing_else_does() -> None:
    def made(settings: note.Settings = note.SETTINGS, version: int = note.VERSION) -> PayloadKind:
        return kinds._kind("note", Text, settings, version, note.batch, note.prepare)

    ours = KINDS[Modality.TEXT].fingerprint
    assert made().fingerprint == ours
    assert made(version=note.VERSION + 1).fingerprint != ours
    longer = made(replace(note.SETTINGS, longest_group=5, buckets=64))
    assert longer.fingerprint != ours
    (found,) = longer.extract([Text("keyboard", "en")])
    assert isinstance(found, np.ndarray)
    assert found.shape == longer.shape == (128,)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_the_bytes_do_not_depend_on_the_batch(data: st.DataObject) -> None:
    modality = data.draw(st.sampled_from(MODALITIES))
    chosen = data.draw(st.lists(st.integers(0, UNITS - 1), max_size=30))
    results = KINDS[modality].extract([PAYLOADS[modality][i] for i in chosen])
    assert [r.tobytes() for r in results if isinstance(r, np.ndarray)] == [
        ALONE[modality][i] for i in chosen
    ]


def test_threads_may_extract_at_once() -> None:
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda m: (m, KINDS[m].extract(PAYLOADS[m])), MODALITIES * 4)
        for modality, results in found:
            assert [r.tobytes() for r in results if isinstance(r, np.ndarray)] == ALONE[modality]


def test_a_poisonous_payload_fails_alone() -> None:
    good = PAYLOADS[Modality.VISUAL][:3]
    results = KINDS[Modality.VISUAL].extract([good[0], BROKEN, *good[1:], BROKEN])
    assert [isinstance(r, UnusablePayload) for r in results] == [False, True, False, False, True]
    for result, expected in zip([results[0], *results[2:4]], ALONE[Modality.VISUAL], strict=False):
        assert isinstance(result, np.ndarray)
        assert result.tobytes() == expected
    with pytest.raises(UnusablePayload, match="cannot be decoded"):
        extract(BROKEN)


def test_a_payload_of_another_kind_fails_alone() -> None:
    foreign = Thermal(np.zeros((2, 2), np.float32))
    results = KINDS[Modality.TEXT].extract([foreign, *PAYLOADS[Modality.TEXT][:2]])
    assert isinstance(results[0], UnusablePayload)
    assert "kind note is a Text, not a Thermal" in str(results[0])
    assert all(isinstance(result, np.ndarray) for result in results[1:])


@pytest.mark.parametrize("step", ["prepare", "batch"])
@pytest.mark.parametrize("error", [ZeroDivisionError("twice"), TooLarge("by far")])
def test_an_exception_in_an_extractor_fails_its_payload_alone(
    step: str, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    kind, (bad, *good) = KINDS[Modality.TEXT], PAYLOADS[Modality.TEXT][:4]
    poison = kind.prepare(bad).tobytes()

    def prepare(payload: Payload) -> Any:
        if step == "prepare" and payload is bad:
            raise error
        return kind.prepare(payload)

    def batch(prepared: Sequence[Any]) -> Any:
        if any(one.tobytes() == poison for one in prepared):
            raise error
        return kind.batch(list(prepared))

    with caplog.at_level(logging.ERROR):
        results = replace(kind, prepare=prepare, batch=batch).extract([*good[:2], bad, good[2]])
    assert [isinstance(r, RecordError) for r in results] == [False, False, True, False]
    if isinstance(error, RecordError):
        assert results[2] is error
    else:
        assert str(results[2]) == "a payload of kind note cannot be read: twice"
        assert "ZeroDivisionError" in caplog.text


def test_whatever_an_extractor_gives_features_are_finite_and_bounded() -> None:
    kind = KINDS[Modality.TEXT]
    wild = np.array([np.nan, np.inf, -np.inf, 1e30, -9, 0.1], np.float32)
    results = replace(kind, batch=lambda _: wild[None]).extract([Text("a", "en")])
    expected = np.array([0, CLIP, -CLIP, CLIP, -CLIP, 0.1], np.float16)
    np.testing.assert_array_equal(results, [expected])


def test_nothing_gives_nothing() -> None:
    assert all(kind.extract([]) == [] for kind in KINDS.values())


def test_warming_up_compiles_every_kernel_once() -> None:
    code = """
from agents.extract import cycle_table, image, note, sound, spectrum, thermal_grid
from agents.extract.kinds import KINDS, warm_up
from agents.lab.simulator import simulate_unit

def compiled():
    modules = (cycle_table, image, note, sound, spectrum, thermal_grid)
    kernels = [k for m in modules for k in vars(m).values() if hasattr(k, "signatures")]
    return [len(kernel.signatures) for kernel in kernels]

warm_up()
before = compiled()
for modality, kind in KINDS.items():
    kind.extract([simulate_unit(2, i).payload(modality) for i in range(3)])
print(sum(before) >= 6, max(before), compiled() == before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "1", "True"], done.stdout
