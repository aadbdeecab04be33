"""Measured data that other packages ship: a photograph, a spectrum, a work order.

Wheels are kept in REGRADE_TEST_CACHE, or where `agents.lab.evaluation.wheels` keeps them.
"""

import csv
import hashlib
import io
import os
from importlib.metadata import distribution
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agents.lab.evaluation.real.data import CHEMOTOOLS, NESTOR
from agents.lab.evaluation.wheels import Wheel, cache_folder

CACHE_VARIABLE = "REGRADE_TEST_CACHE"
PHOTOGRAPH_SHA256 = "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c"


def photograph() -> bytes:
    """A JPEG of 640 x 427 that scikit-image ships: a rocket on its pad (SpaceX, CC0)."""
    path = distribution("scikit-image").locate_file("skimage/data/rocket.jpg")
    content = Path(str(path)).read_bytes()
    found = hashlib.sha256(content).hexdigest()
    assert found == PHOTOGRAPH_SHA256, f"{path} is not the photograph we know"
    return content


def spectrum() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Wavenumbers (cm-1) and intensities, both of shape (1047,), of a fermentation.

    Measured on-line (the package's *training* spectra are synthetic); noisy, with an uneven axis.
    """
    lines = _lines(CHEMOTOOLS, "chemotools/datasets/data/fermentation_spectra.csv")
    axis, measured = (np.array(row, dtype=np.float32) for row in islice(csv.reader(lines), 2))
    return axis, measured


def work_order() -> str:
    """A mechanic's short text from a mine's maintenance records, as it was typed."""
    lines = _lines(NESTOR, "nestor/datasets/excavators.csv")
    orders = [row["OriginalShorttext"] for row in csv.DictReader(lines)]
    return next(order for order in orders if order.startswith("O-RING U/S"))


def wheels() -> Path:
    """The folder where tests keep wheels."""
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named) if named else cache_folder()


def _lines(wheel: Wheel, member: str) -> io.StringIO:
    return io.StringIO(wheel.read(member, wheels()).decode(), newline="")
