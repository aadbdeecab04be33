"""What is encoded decodes to the same observation, and is what the published schemas say."""

import json

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings

from schemas import MODALITIES, Acoustic, Modality, Observation, Spectral, decode, encode
from schemas.publish import json_schemas

from .strategies import OBSERVATIONS, observation, observations, same

VALIDATORS = {
    modality: jsonschema.Draft202012Validator(json.loads(json_schemas()[f"{modality}.schema.json"]))
    for modality in MODALITIES
}


@settings(max_examples=150, deadline=None)
@given(observations)
def test_avro(example: Observation) -> None:
    record = encode(example, "avro")
    assert same(decode(record, example.modality), example)
    assert encode(decode(record, example.modality), "avro") == record


@settings(max_examples=150, deadline=None)
@given(observations)
def test_json(example: Observation) -> None:
    record = encode(example, "json")
    assert same(decode(record, example.modality), example)
    VALIDATORS[example.modality].validate(json.loads(record))


@pytest.mark.parametrize("modality", MODALITIES)
def test_both_encodings_say_the_same(modality: Modality) -> None:
    example = OBSERVATIONS[modality]
    by_avro = decode(encode(example, "avro"), modality)
    by_json = decode(encode(example, "json"), modality)
    assert same(by_avro, by_json)


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("encoding", ["avro", "json"])
def test_arrays_are_writable_and_own_their_memory(modality: Modality, encoding: str) -> None:
    payload = decode(encode(OBSERVATIONS[modality], encoding), modality).payload  # type: ignore[arg-type]
    for name in type(payload).__slots__:
        value = getattr(payload, name)
        if isinstance(value, np.ndarray):
            assert value.flags.writeable
            assert value.dtype.isnative


def test_even_axes_and_16_bit_samples_are_written_short() -> None:
    values = np.zeros(1000, dtype=np.float32)
    even = np.linspace(400, 1000, 1000, dtype=np.float32)
    uneven = even.copy()
    uneven[5] += 0.1
    short = encode(observation(Spectral(values, even, "nm")))
    assert len(encode(observation(Spectral(values, uneven, "nm")))) > len(short) + 3900
    pcm = np.array([-1, 32767 / 32768] * 500, dtype=np.float32)
    assert b'"PCM16"' in encode(observation(Acoustic(pcm, 8000)), "json")
    assert b'"FLOAT32"' in encode(observation(Acoustic(pcm + 1, 8000)), "json")
