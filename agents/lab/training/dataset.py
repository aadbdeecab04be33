"""Features of units, held in memory: simulated ones by seed and index, or recorded ones.

The ranges of training, validation and test start a million indices apart: no size of one ever
reaches into another.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.distiller.encoders import Shape
from agents.distiller.files import WeightsError, read_tensors, write_tensors
from agents.distiller.heads import HEADS
from agents.extract.kinds import KINDS, extract
from agents.lab.simulator import simulate_unit
from agents.lab.simulator.models import MODELS, DeviceModel
from schemas.modality import MODALITIES, Modality

Part = Literal["train", "validation", "test"]
FIRST_INDEX: dict[Part, int] = {"train": 0, "validation": 1_000_000, "test": 2_000_000}
CHUNK = 100

SHAPES: dict[Modality, Shape] = {m: KINDS[m].shape for m in MODALITIES}


@dataclass(frozen=True, slots=True)
class Dataset:
    """N units, each with the modalities that arrived, some of them labelled."""

    features: dict[Modality, Tensor]
    """float32 made of float16, (N, *shape) of every modality; anything finite where it did not
    arrive."""
    targets: tuple[Tensor, ...]
    """Per head, as `heads.losses` wants them; anything where there is no label."""
    arrived: Tensor
    """bool, (N, M), in the order of the registry; no row is empty."""
    labelled: Tensor
    """bool, (N,)."""

    def __len__(self) -> int:
        return len(self.labelled)

    def rows(self, index: Tensor) -> "Dataset":
        """The units of `index`, int64 (B,) or bool (N,)."""
        return Dataset(
            {m: x[index] for m, x in self.features.items()},
            tuple(t[index] for t in self.targets),
            self.arrived[index],
            self.labelled[index],
        )

    def save(self, path: Path) -> str:
        """Write the units to a safetensors file; returns its sha256."""
        tensors = {f"features.{m}": x for m, x in self.features.items()}
        tensors |= {f"targets.{h.name}": t for h, t in zip(HEADS, self.targets, strict=True)}
        return write_tensors(
            path,
            {**tensors, "arrived": self.arrived, "labelled": self.labelled},
            {"units": len(self)},
        )

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            WeightsError: the file cannot be read, or holds no units with these features.
        """
        tensors, _, _ = read_tensors(path)
        try:
            features = {m: tensors[f"features.{m}"] for m in MODALITIES}
            targets = tuple(tensors[f"targets.{head.name}"] for head in HEADS)
            found = cls(features, targets, tensors["arrived"], tensors["labelled"])
        except KeyError as error:
            raise WeightsError(f"{path} holds no units: {error} is missing") from error
        for m, x in features.items():
            if tuple(x.shape) != (len(found), *SHAPES[m]):
                raise WeightsError(
                    f"{path}: {m} features have shape {tuple(x.shape)}; make it again"
                )
        return found

    def unlabelled(self) -> "Dataset":
        """The same units as if nobody had labelled them."""
        return replace(self, labelled=torch.zeros_like(self.labelled))

    def __add__(self, other: "Dataset") -> "Dataset":
        """The units of both."""
        return Dataset(
            {m: torch.cat((x, other.features[m])) for m, x in self.features.items()},
            tuple(torch.cat(both) for both in zip(self.targets, other.targets, strict=True)),
            torch.cat((self.arrived, other.arrived)),
            torch.cat((self.labelled, other.labelled)),
        )


Rows = tuple[list[NDArray[np.float32]], list[NDArray[np.float32]]]


def _simulate_rows(seed: int, models: Sequence[DeviceModel], start: int, stop: int) -> Rows:
    """Units start..stop-1: features (n, *shape) per modality and targets per head, as float32."""
    units = [simulate_unit(seed, index, models=models) for index in range(start, stop)]
    features = [
        np.stack([extract(unit.payload(m)) for unit in units]).astype(np.float32)
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
    models: Sequence[DeviceModel] = MODELS,
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Dataset:
    """Simulate the first `units` units of a part.

    Args:
        seed: of the simulator; with the index it determines a unit.
        part: which range of indices.
        units: how many, at most a million.
        models: the device models that they are of.
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
        rows = mapper(_simulate_rows, repeat(seed), repeat(models), starts, stops)
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
        torch.ones(units, len(MODALITIES), dtype=torch.bool),
        torch.ones(units, dtype=torch.bool),
    )
