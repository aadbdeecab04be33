"""`regrade train`: a small one, from options to figures."""

import json
from pathlib import Path

import pytest

SMALL = [
    *("--units", "30", "--unlabelled-units", "10", "--validation-units", "10"),
    *("--test-units", "10", "--epochs", "1", "--teacher-epochs", "1", "--workers", "1"),
]


def test_a_small_training(regrade, tmp_path: Path) -> None:
    out = tmp_path / "w.safetensors"
    arguments = ["train", *SMALL, "--out", str(out)]
    ended = regrade(*arguments, "--json")
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert found["weights"] == str(out)
    assert out.is_file()
    assert Path(found["card"]).is_file()
    assert set(found["metrics"]["all"]) >= {"quality", "material", "routing"}
    assert list(found["metrics"]["tiers"]) == ["classical", "small", "medium", "large"]
    assert len(found["losses"]["teacher"]) == len(found["losses"]["student"]) == 1
    recipe = json.loads(Path(found["card"]).read_text())["recipe"]
    assert (recipe["train_units"], recipe["unlabelled_units"]) == (30, 10)

    again = regrade(*arguments)
    assert again.code == 0
    for row in ("teacher, all six", "tier classical, all six", "tier large, all six", "text alone"):
        assert row in again.out
    assert f"(sha256 {found['sha256'][:12]}" in again.out  # the same options, the same bytes


@pytest.mark.parametrize("stage", ["teacher", "student", "circuits"])
def test_a_damaged_checkpoint_is_one_line(regrade, tmp_path: Path, stage: str) -> None:
    checkpoint = tmp_path / f"run.ckpt.{stage}"
    checkpoint.write_bytes(b"nothing")
    ended = regrade(
        *("train", *SMALL, "--out", str(tmp_path / "w")),
        *("--checkpoint", str(tmp_path / "run.ckpt"), "--resume"),
    )
    assert ended.code == 1
    assert ended.err.count("regrade: ") == 1
    assert str(checkpoint) in ended.err
    assert "Traceback" not in ended.err


def test_resume_needs_a_checkpoint(regrade, tmp_path: Path) -> None:
    ended = regrade("train", "--out", str(tmp_path / "w"), "--resume")
    assert ended.code == 2
    assert "--resume needs --checkpoint FILE" in ended.err


def test_nothing_is_overwritten_that_was_not_named(regrade) -> None:
    """Above all not the weights that ship, which one run of it had replaced."""
    ended = regrade("train", *SMALL)
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "missing option '--out'" in ended.err
