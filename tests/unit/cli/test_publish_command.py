"""`regrade publish`: what it refuses before it looks for a broker."""

import pytest
import typer

from stream.cli.publish import moment


def test_moments() -> None:
    assert moment("1767225600000") == 1_767_225_600_000
    assert moment("2026-01-01T00:00:00Z") == 1_767_225_600_000
    assert moment("2026-01-01T01:00:00.250+01:00") == 1_767_225_600_250


@pytest.mark.parametrize("text", ["2026-01-01T00:00:00", "yesterday", "-5", ""])
def test_a_moment_without_a_zone_is_refused(text) -> None:
    with pytest.raises(typer.BadParameter, match=r"which zone|ISO 8601"):
        moment(text)


def test_a_file_that_is_nothing_is_told_without_a_broker(regrade, tmp_path) -> None:
    path = tmp_path / "thing.bin"
    path.write_bytes(b"?")
    ended = regrade("publish", "LT-000001", str(path), "-b", "127.0.0.1:1")
    assert (ended.code, ended.err.count("\n")) == (1, 1)
    assert f"regrade: {path}: neither its first bytes nor its name" in ended.err
