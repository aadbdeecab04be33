"""Reading a plant's table: what is refused and how it is said; families and validity."""

from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

from agents.decide.policy import Policy, PolicyError
from schemas import MODALITIES, Modality

DEFAULT = files("agents.decide.policy").joinpath("default.yaml").read_text("utf-8")


def write(folder: Path, text: str) -> Path:
    path = folder / "plant.yaml"
    path.write_text(text, "utf-8")
    return path


def test_the_default_is_what_ships() -> None:
    policy = Policy.load()
    assert policy.currency == "EUR"
    assert policy.families == []


def test_a_copy_of_the_default_loads_alike(tmp_path: Path) -> None:
    assert Policy.load(write(tmp_path, DEFAULT)) == Policy.load()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("D: -10}", "}", "options.resell.value: has no entry for D; add it"),
        ("misrouting_cost: 38", "misrouting_cost: -1", "options.resell.misrouting_cost: Input"),
        ("misrouting_cost: 38", "misrouting_cost: yes", "misrouting_cost: Input should be a valid"),
        ("misrouting_cost: 38", "misrouting_cost: .nan", "misrouting_cost: Input"),
        ("  resell:", "  resel:", "options.resel.[key]: Input should be 'resell'"),
        ("condition: battery-swollen", "condition: battery-swolen", "hard_rules.0.condition"),
        ("probability: 0.5", "probability: 50", "hard_rules.0.probability"),
        ("  fan-worn: 0.5\n", "", "reason_thresholds: has no entry for fan-worn; add it"),
        ("hazard_weight:", "hazard_wait:", "hazard_weight: Field required"),
        ("currency: EUR", "currency: EUR\ncolour: red", "colour: Extra inputs are not permitted"),
        ("valid_for_s: 86400", "valid_for_s: 0", "valid_for_s: Input should be greater than 0"),
        ("families: []", "families: [{prefix: '', expects: [text]}]", "families.0.prefix"),
        ("families: []", "families: [{prefix: K, expects: []}]", "families.0.expects"),
        ("families: []", "families: [{prefix: K, expects: [smell]}]", "families.0.expects.0"),
        ("currency: EUR", "currency: [EUR", "is not YAML"),
        (DEFAULT, "", "the file: Input should be a valid dictionary"),
        (DEFAULT, "- 1", "the file: Input should be a valid dictionary"),
    ],
)
def test_a_wrong_table_is_refused_in_one_line(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    assert old in DEFAULT
    with pytest.raises(PolicyError) as refused:
        Policy.load(write(tmp_path, DEFAULT.replace(old, new, 1)))
    message = str(refused.value)
    assert says in message
    assert "plant.yaml" in message
    assert "\n" not in message


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="cannot be read"):
        Policy.load(tmp_path / "none.yaml")
    with pytest.raises(PolicyError, match="cannot be read"):
        Policy.load(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"currency: \xff")
    with pytest.raises(PolicyError, match="cannot be read"):
        Policy.load(tmp_path / "latin.yaml")


def with_families(families: list[dict[str, Any]]) -> Policy:
    return Policy.model_validate({**yaml.safe_load(DEFAULT), "families": families})


V, S, T = Modality.VISUAL, Modality.SPECTRAL, Modality.TEXT


@pytest.mark.parametrize(
    ("unit_id", "enabled", "expected"),
    [
        ("LT-1", MODALITIES, MODALITIES),
        ("LT-1", (T, V), (T, V)),
        ("KB-1", MODALITIES, (V, T)),
        ("KB-X1", MODALITIES, (S,)),  # the longest prefix counts
        ("KB-1", (T, S, V), (T, V)),  # in the order of the enabled ones
        ("KB-X1", (V, T), (V, T)),  # none of its stations is enabled: as if without family
    ],
)
def test_expected_modalities(
    unit_id: str, enabled: tuple[Modality, ...], expected: tuple[Modality, ...]
) -> None:
    policy = with_families(
        [
            {"prefix": "KB-X", "expects": ["spectral"]},
            {"prefix": "KB-", "expects": ["text", "visual"]},
        ]
    )
    assert policy.expected_modalities(unit_id, enabled) == expected


def test_valid_until() -> None:
    now = datetime(2025, 1, 31, tzinfo=UTC)
    assert Policy.load().valid_until(now) == now + timedelta(days=1)
