"""All that the noise measurement asks of a model: angles of its pairs, decisions from readouts."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.distiller.attention import QuantumCrossAttention
from agents.distiller.circuits.backend import Readout
from agents.distiller.heads import HEADS, split
from agents.distiller.model import HybridCrossModalDistiller
from schemas.decision import Tier


@dataclass(frozen=True, slots=True)
class Pairs:
    """What the pair circuits of U units are given, P pairs, n qubits, and what they say."""

    q: Tensor
    """Query angles, radians, float64, (U, P, n)."""
    k: Tensor
    """Key angles, as `q`."""
    w: Tensor
    """Trained angles, (P, L, n, 2)."""
    clean: Tensor
    """Exact <Z>, (U, P, n)."""


def pair_circuits(model: HybridCrossModalDistiller) -> QuantumCrossAttention:
    """The layer with the circuits.

    Raises:
        ValueError: the model has none.
    """
    if Tier.SMALL not in model.circuits:
        raise ValueError("this model has no pair circuits, so there is nothing to run on a device")
    return cast(QuantumCrossAttention, model.circuits[Tier.SMALL])


@contextmanager
def _reading(circuit: QuantumCrossAttention, readout: Readout) -> Iterator[None]:
    """For a while, have the circuits read by `readout`."""
    kept = circuit.readout
    circuit.readout = readout
    try:
        yield
    finally:
        circuit.readout = kept


def _everything(h: Tensor) -> Tensor:
    """The mask of units of which every modality arrived."""
    return torch.ones(h.shape[:2], dtype=torch.bool)


@torch.no_grad()
def pairs_of(model: HybridCrossModalDistiller, h: Tensor) -> Pairs:
    """Angles and exact readouts of complete units.

    Args:
        model: in float64, with pair circuits.
        h: encodings (U, M, D).

    Raises:
        ValueError: the model has no pair circuits.
    """
    circuit = pair_circuits(model)
    q, k = circuit.angles(h)
    return Pairs(q, k, circuit.w.detach(), circuit.readout(q, k, circuit.w))


def routing_from(model: HybridCrossModalDistiller, h: Tensor, z: Tensor) -> Tensor:
    """Routing logits (U, options) of complete units, with `z` (U, P, n) for the readouts."""
    with _reading(pair_circuits(model), lambda q, k, w: z):
        logits = model.fuse(h, _everything(h), Tier.SMALL)
    return split(logits)[[head.name for head in HEADS].index("routing")]


def importance_of(model: HybridCrossModalDistiller, h: Tensor) -> NDArray[np.float64]:
    """What each value matters to the routing, (P, n): the root mean square over units of the
    gradient of the routing logits by it; each pair's sum to 1."""
    z = pairs_of(model, h).clean.requires_grad_()
    squares = torch.zeros_like(z)
    for logit in routing_from(model, h, z).sum(0):
        squares += torch.autograd.grad(logit, z, retain_graph=True)[0] ** 2
    matters = squares.mean(0).sqrt()
    found: NDArray[np.float64] = (matters / matters.sum(1, keepdim=True)).numpy()
    return found
