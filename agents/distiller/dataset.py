"""Labelled features of simulated units, by seed and index, held in memory; and modality dropout.

The ranges of training, validation and test start a million indices apart: no size of one ever
reaches into another.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from multiprocessing import get_context
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.distiller.encoders import Shape
from agents.distiller.heads import HEADS
from agents.features import FEATURES
from agents.simulator import simulate_unit
from schemas.modality import MODALITIES, Modality

Part = Literal["train", "validation", "test"]
FIRST_INDEX: dict[Part, int] = {"train": 0, "validation": 1_000_000, "test": 2_000_000}
CHUNK = 100

SHAPES: dict[Modality, Shape] = {m: FEATURES[m].shape for m in MODALITIES}


@dataclass(frozen=True, slots=True)
class Dataset:
    """N units, complete and labelled."""

    features: dict[Modality, Tensor]
    """float32, (N, *shape) of every modality."""
    targets: tuple[Tensor, ...]
    """Per head, as `heads.losses` wants them."""

    def __len__(self) -> int:
        return len(self.targets[0])

    def rows(self, index: Tensor) -> "Dataset":
        """The units of `index`, int64 (B,)."""
        return Dataset(
            {m: x[index] for m, x in self.features.items()}, tuple(t[index] for t in self.targets)
        )


Rows = tuple[list[NDArray[np.float32]], list[NDArray[np.float32]]]


def _simulate_rows(seed: int, start: int, stop: int) -> Rows:
    """Units start..stop-1: features (n, *shape) per modality and targets per head, as float32."""
    units = [simulate_unit(seed, index) for index in range(start, stop)]
    features = [
        np.stack([FEATURES[m].extract(unit.payload(m)) for unit in units]).astype(np.float32)
        for m in MODALITIES
    ]
    targets = []
    for head in HEADS:
        truth = [getattr(unit.labels, head.name) for unit in units]
        classes = list(head.classes)
        rows = (
            [classes.index(t) for t in truth]
            if head.exclusive
            else [[t[c] for c in classes] for t in truth]
        )
        targets.append(np.array(rows, dtype=np.float32))
    return features, targets


@contextmanager
def _mapper(workers: int) -> Iterator[Callable[..., Iterator[Rows]]]:
    """`map`, or that of a process pool."""
    if workers == 1:
        yield map
    else:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            yield pool.map


def simulate(
    seed: int,
    part: Part,
    units: int,
    *,
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Dataset:
    """Simulate the first `units` units of a part.

    Args:
        seed: of the simulator; with the index it determines a unit.
        part: which range of indices.
        units: how many, at most a million.
        workers: processes to spread the work over; the result does not depend on it.
        progress: called with the number of units done.

    Raises:
        ValueError: `units` is not in 1 .. 1,000,000.
    """
    if not 1 <= units <= 1_000_000:
        raise ValueError(f"{units} units are not 1 to 1,000,000")
    first = FIRST_INDEX[part]
    starts = range(first, first + units, CHUNK)
    stops = [min(start + CHUNK, first + units) for start in starts]
    chunks: list[Rows] = []
    with _mapper(min(workers, len(stops))) as mapper:
        rows = mapper(_simulate_rows, repeat(seed), starts, stops)
        for stop, chunk in zip(stops, rows, strict=True):
            chunks.append(chunk)
            if progress:
                progress(stop - first)
    features = [
        torch.from_numpy(np.concatenate(x)) for x in zip(*(c[0] for c in chunks), strict=True)
    ]
    targets = [
        torch.from_numpy(np.concatenate(t)) for t in zip(*(c[1] for c in chunks), strict=True)
    ]
    return Dataset(
        dict(zip(MODALITIES, features, strict=True)),
        tuple(t.long() if h.exclusive else t for h, t in zip(HEADS, targets, strict=True)),
    )


def draw_masks(units: int, full: float, generator: torch.Generator) -> Tensor:
    """Modality dropout: which modalities each unit keeps, bool (units, M), never none.

    A fraction `full` keeps all; of the others, first the number that stays is drawn uniformly
    from 1 to M, then which: few and single modalities are as frequent as nearly complete sets.
    """
    m = len(MODALITIES)
    keep = torch.randint(1, m + 1, (units, 1), generator=generator)
    keep[torch.rand(units, generator=generator) < full] = m
    order = torch.rand(units, m, generator=generator).argsort(dim=1)
    return order < keep  # a random permutation of 0 .. M-1 in every row
