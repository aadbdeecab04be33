"""What the exact circuits gain over PennyLane's simulators, measured in one run.

Inference, per sample: as the article does it, one QNode call a sample on default.qubit with torch's
tensors, and with numpy's arrays, which it handles faster; that device given a whole batch;
lightning.qubit; the exact form in torch; and compiled. Training, per step (forward and backward of
all pairs): back-propagation through default.qubit, and the exact forms. All ways get the same
angles, and the run fails where their results differ. PennyLane's devices compute in float64
whatever they are given; the model runs in float32. Importing this imports PennyLane and numba.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import pi
from typing import Any

import torch
from torch import Tensor

from agents.distiller.circuits import compiled, entangled
from agents.distiller.circuits.backend import Readout
from agents.distiller.circuits.devices import Device
from agents.distiller.circuits.exact import exact
from agents.distiller.circuits.reference import node
from agents.lab.circuit_benchmark.timing import Progress, Timing, Way, race

PAIRS, TRAINING_BATCH = 6, 64
"""Of a training step."""
# lightning.qubit runs one sample after the other: more of them would say the same.
_LIGHTNING_SAMPLES = 16
# Rounding: of float32 (which lightning.qubit's results are cast to on their way into torch), of
# gradients in float32 that are sums over a batch, and of what is float64 throughout.
_SINGLE, _GRADIENT, _DOUBLE = 1e-5, 1e-4, 1e-10
_TOLERANCE = dict.fromkeys(("article", "article, numpy", "compiled float64"), _DOUBLE)


class Disagreement(ArithmeticError):
    """Two ways to run the circuit gave different results; their times would mean nothing."""


@dataclass(frozen=True, slots=True)
class Report:
    """Times in microseconds, and ratios of their medians."""

    inference: dict[str, Timing]
    """Per sample."""
    training: dict[str, Timing]
    """Per step of 6 pairs with 64 samples each."""
    differences: dict[str, dict[str, float]]
    """The largest from default.qubit in float64, of `inference` values and `training` gradients."""

    @property
    def over_article(self) -> float:
        """How many times faster inference is than with one default.qubit call a sample."""
        return self._inference_over("article")

    @property
    def over_broadcast(self) -> float:
        """How many times faster than with default.qubit given the whole batch."""
        return self._inference_over("broadcast")

    @property
    def training_over_backprop(self) -> float:
        """How many times faster a training step is than through default.qubit."""
        return self.training["backprop"].median / self.training["exact float32"].median

    def _inference_over(self, way: str) -> float:
        return self.inference[way].median / self.inference["compiled float32"].median


def benchmark(
    qubits: int = 8,
    layers: int = 2,
    batch: int = 256,
    seed: int = 0,
    rounds: int = 15,
    progress: Progress = lambda done, of: None,
) -> Report:
    """Measure, on one thread.

    Args:
        qubits: n, 2 or more.
        layers: L, 1 to 4.
        batch: samples of one circuit that inference is given at once.
        seed: of angles and weights.
        rounds: how often each way is timed, 2 or more.
        progress: told after each round; those of training count too.

    Raises:
        Disagreement: two ways gave different results.
    """
    generator = torch.Generator().manual_seed(seed)

    def angles(samples: int, circuits: int) -> list[Tensor]:
        size = (samples, circuits, qubits)
        shapes = (size, size, (circuits, layers, qubits, 2))
        uniform = (torch.rand(*shape, generator=generator).double() for shape in shapes)
        return [(2 * u - 1) * pi for u in uniform]

    with _one_thread():
        inference = _inference(*angles(batch, 1))
        training = _training(*angles(TRAINING_BATCH, PAIRS))
        differences = {
            "inference": differences_of(inference, "broadcast", lambda z: _rows(z, qubits)),
            "training": differences_of(training, "backprop", _flat, _GRADIENT),
        }
        return Report(
            race(inference, rounds, lambda done, of: progress(done, 2 * of)),
            race(training, rounds, lambda done, of: progress(of + done, 2 * of)),
            differences,
        )


def _inference(q: Tensor, k: Tensor, w: Tensor) -> dict[str, Way]:
    """One circuit; each call gives z of the first `units` samples."""
    n, samples = q.shape[-1], len(q)
    default, lightning = node("default.qubit", n), node("lightning.qubit", n)
    few = min(samples, _LIGHTNING_SAMPLES)
    single = (q.float(), k.float(), w.float())
    double_arrays = (q.numpy(), k.numpy(), w.numpy())
    first = (double_arrays[0][0, 0], double_arrays[1][0, 0], double_arrays[2][0])
    single_arrays = (single[0].numpy(), single[1].numpy(), single[2].numpy())

    def frozen(run: Callable[[], object]) -> Callable[[], object]:
        return torch.no_grad()(run)

    return {
        "article": Way(frozen(lambda: default(q[0, 0], k[0, 0], w[0]))),
        "article, numpy": Way(lambda: default(*first)),
        "broadcast": Way(frozen(lambda: default(q[:, 0], k[:, 0], w[0])), samples),
        "lightning": Way(frozen(lambda: lightning(q[:few, 0], k[:few, 0], w[0])), few),
        "torch float32": Way(frozen(lambda: entangled(*single)), samples),
        "compiled float64": Way(lambda: compiled.entangled(*double_arrays), samples),
        "compiled float32": Way(lambda: compiled.entangled(*single_arrays), samples),
    }


def _training(q: Tensor, k: Tensor, w: Tensor) -> dict[str, Way]:
    """All pairs, forward and backward; each call gives the gradients for q, k and w."""

    def step(readout: Readout, *angles: Tensor) -> Way:
        leaves = [x.detach().clone().requires_grad_() for x in angles]
        return Way(lambda: torch.autograd.grad(readout(*leaves).sum(), leaves))

    single = (q.float(), k.float(), w.float())
    return {
        "backprop": step(Device("default.qubit"), q, k, w),
        "torch float32": step(entangled, *single),
        "exact float32": step(exact, *single),
    }


def differences_of(
    ways: Mapping[str, Way],
    reference: str,
    comparable: Callable[[Any], Tensor],
    tolerance: float = _SINGLE,
) -> dict[str, float]:
    """Of the other ways' results from those of the reference, as far as they go.

    Raises:
        Disagreement: one is larger than rounding explains.
    """
    wanted = comparable(ways[reference].call())
    found = {}
    for name, way in ways.items():
        if name == reference:
            continue
        given = comparable(way.call())
        found[name] = float((given - wanted[: len(given)]).abs().max())
        allowed = _TOLERANCE.get(name, tolerance)
        if not found[name] <= allowed:
            raise Disagreement(
                f"{name} differs by {found[name]:.2g} from {reference}, by more than {allowed:g}"
            )
    return found


def _rows(z: Any, n: int) -> Tensor:
    """What a way gives as z, in float64, (samples, n)."""
    by_qubit = isinstance(z, Sequence)  # PennyLane's n tensors or arrays
    whole = torch.stack([torch.as_tensor(x) for x in z], dim=-1) if by_qubit else torch.as_tensor(z)
    return whole.double().reshape(-1, n)


def _flat(gradients: Sequence[Tensor]) -> Tensor:
    return torch.cat([gradient.double().flatten() for gradient in gradients])


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
