"""The published files and the code agree."""

import json
from pathlib import Path

import fastavro
import jsonschema
import pytest

import schemas
from schemas import MODALITIES, Modality, encode
from schemas.avro import SCHEMAS
from schemas.json_records import RECORDS
from schemas.publish import json_schemas, publish
from schemas.single_object import SingleObject

from .strategies import OBSERVATIONS

FOLDER = Path(schemas.__file__).parent

# Recordings hold these: a change of a schema is a new version beside it, not an edit.
PUBLISHED = {
    "visual": "80afe48f32115dc2",
    "spectral": "4d205ba89d72c0cd",
    "text": "8faf712b64482bf0",
    "thermal": "9bf87a7fb358e948",
    "acoustic": "b5a9d2bb184e7bf0",
    "battery": "638c808e6159e09d",
    "feature_record": "5f7cf7b3a055c3c5",
    "mark": "7beaf0567a59d9a4",
}


@pytest.mark.parametrize("name", json_schemas())
def test_json_schema_files_are_what_the_models_generate(name: str) -> None:
    text = json_schemas()[name]
    assert (FOLDER / name).read_text("utf-8") == text, "run `python -m schemas.publish`"
    schema = json.loads(text)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:regrade:v1:{name.removesuffix('.schema.json')}"
    assert schema["title"]


def test_there_are_no_other_files() -> None:
    assert {path.name for path in FOLDER.glob("*.schema.json")} == set(json_schemas())
    assert {path.stem for path in FOLDER.glob("avsc/*")} == set(PUBLISHED)


def test_publish_writes_the_files(tmp_path: Path) -> None:
    publish(tmp_path)
    assert {path.name: path.read_text("utf-8") for path in tmp_path.iterdir()} == json_schemas()


@pytest.mark.parametrize("modality", MODALITIES)
def test_avsc(modality: Modality) -> None:
    schema = json.loads(SCHEMAS[modality].text)
    assert fastavro.parse_schema(schema)
    assert schema["namespace"] == "io.regrade.v1"
    assert schema["name"] == f"{modality.capitalize()}Observation"
    names = {field["name"] for field in schema["fields"]}
    assert names | {"modality", "cycles"} == set(RECORDS[modality].model_fields) | {"cycles"}


def crc_64_avro(text: bytes) -> int:
    """The Avro specification's algorithm, bit by bit."""
    empty = 0xC15D213AA4D7A795
    crc = empty
    for byte in text:
        low = (crc ^ byte) & 0xFF
        for _ in range(8):
            low = (low >> 1) ^ (empty & -(low & 1))
        crc = (crc >> 8) ^ low
    return crc


@pytest.mark.parametrize("name", PUBLISHED)
def test_headers_follow_the_avro_specification(name: str) -> None:
    assert crc_64_avro(b'"null"') == 7195948357588979594  # the specification's test vector
    schema = SingleObject(name)
    canonical = fastavro.schema.to_parsing_canonical_form(json.loads(schema.text))
    assert schema.header == b"\xc3\x01" + crc_64_avro(canonical.encode()).to_bytes(8, "little")


@pytest.mark.parametrize("modality", MODALITIES)
def test_records_start_with_their_header(modality: Modality) -> None:
    assert encode(OBSERVATIONS[modality]).startswith(SCHEMAS[modality].header)


def test_published_fingerprints_do_not_change() -> None:
    assert {name: SingleObject(name).fingerprint.hex() for name in PUBLISHED} == PUBLISHED


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_readme_gives_the_fingerprints(name: str) -> None:
    assert f"`{PUBLISHED[name]}`" in (FOLDER / "README.md").read_text("utf-8")
