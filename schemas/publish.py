"""The published JSON Schemas, generated from the pydantic models: `python -m schemas.publish`.

Rewrites `schemas/<modality>.schema.json` and `schemas/decision.schema.json`; a test fails while
they differ from the models.
"""

import json
from pathlib import Path

from pydantic import BaseModel

from schemas.decision import Decision
from schemas.json_records import RECORDS

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schemas() -> dict[str, str]:
    """The text of every schema file, by file name."""
    observations = {
        f"{modality}.schema.json": _schema(
            record, f"urn:regrade:v1:{modality}", f"{modality.capitalize()} observation"
        )
        for modality, record in RECORDS.items()
    }
    decision = _schema(Decision, "urn:regrade:v1:decision", "Decision", serialized=True)
    return {**observations, "decision.schema.json": decision}


def _schema(model: type[BaseModel], id_: str, title: str, *, serialized: bool = False) -> str:
    schema = model.model_json_schema(mode="serialization" if serialized else "validation")
    head = {"$schema": _DIALECT, "$id": id_, "title": title}
    return json.dumps({**head, **schema, "title": title}, indent=2) + "\n"


def publish(folder: Path) -> None:
    """Write every schema file into `folder`."""
    for name, text in json_schemas().items():
        (folder / name).write_text(text, "utf-8")


if __name__ == "__main__":
    publish(Path(__file__).parent)
