"""`regrade train`: a small one, from options to figures."""

import json
from pathlib import Path

SMALL = ["--units", "60", "--validation-units", "20", "--test-units", "20", "--epochs", "1"]


def test_a_small_training(regrade, tmp_path: Path) -> None:
    out = tmp_path / "w.safetensors"
    arguments = ["train", *SMALL, "--out", str(out), "--workers", "1"]
    ended = regrade(*arguments, "--json")
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert found["weights"] == str(out)
    assert out.is_file()
    assert Path(found["card"]).is_file()
    assert set(found["metrics"]["all"]) >= {"quality", "material", "routing"}
    assert len(found["losses"]) == 1

    again = regrade(*arguments)
    assert again.code == 0
    assert "all six" in again.out
    assert f"(sha256 {found['sha256'][:12]}" in again.out  # the same options, the same bytes


def test_a_checkpoint_of_another_training_is_one_line(regrade, tmp_path: Path) -> None:
    checkpoint = tmp_path / "run.ckpt"
    checkpoint.write_bytes(b"nothing")
    ended = regrade(
        *("train", *SMALL, "--out", str(tmp_path / "w"), "--workers", "1"),
        *("--checkpoint", str(checkpoint), "--resume"),
    )
    assert ended.code == 1
    assert ended.err.count("regrade: ") == 1
    assert str(checkpoint) in ended.err
    assert "Traceback" not in ended.err
