"""`regrade collect` without a broker: what goes wrong is one line, and no file appears."""

from pathlib import Path

import pytest

from stream.cli.errors import USAGE

NOWHERE = "127.0.0.1:1"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "missing option '--out'"),
        (["--out", "c", "--limit", "0"], "--limit"),
        (["--out", "/"], "is a directory"),
    ],
)
def test_a_wrong_command_line_is_one_line(regrade, arguments: list[str], message: str) -> None:
    ended = regrade("collect", *arguments)
    assert (ended.code, ended.err.count("\n")) == (USAGE, 1)
    assert message in ended.err.lower()


def test_no_broker_is_one_line(regrade, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REGRADE_REQUEST_TIMEOUT", "2")
    ended = regrade("collect", "-b", NOWHERE, "--out", str(tmp_path / "c"), "--json")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.count("\n") == 1
    assert f"no Kafka broker answers at {NOWHERE}" in ended.err
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_told_before_the_work(regrade, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "c"
    ended = regrade("collect", "-b", NOWHERE, "--out", str(out), "--json")
    assert (ended.code, ended.err.count("\n")) == (1, 1)
    assert f"cannot write {out}" in ended.err


def test_training_wants_a_file_that_is_there(regrade, tmp_path: Path) -> None:
    ended = regrade("train", "--out", str(tmp_path / "w"), "--collected", str(tmp_path / "none"))
    assert (ended.code, ended.err.count("\n")) == (USAGE, 1)
    assert "--collected" in ended.err
