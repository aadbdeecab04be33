"""Running a pair's circuit on noisy hardware, with what helps against the noise.

    circuits   copies, placed ── folded for each noise scale ── scheduled, waits decoupled
    combined   readings ── extrapolated to no noise ── copies combined
    corrected  by what was learnt of the errors of other inputs

Each technique can be had alone; `DEFAULT` are those that the measurement found worth it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pennylane as qml
import torch
from numpy.typing import NDArray
from pennylane.tape import QuantumScript
from torch import Tensor

from agents.distiller.circuits.reference import expectations as exact_expectations
from agents.distiller.circuits.reference import pair_circuit
from agents.lab.noise.corrector import Corrector, Uses
from agents.lab.noise.device import DEVICE, Device
from agents.lab.noise.execution import on_device
from agents.lab.noise.placement import Place, place, predicted_errors
from agents.lab.noise.schedule import Order
from agents.lab.noise.transfer import expectations, tables

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Techniques:
    """What is done against the noise; as it stands, nothing.

    Raises:
        ValueError: no copies, or noise scales that are not 1 and then larger odd ones.
    """

    placement: bool = False
    """Choose the qubits by their calibration."""
    order: Order = "early"
    """When gates run."""
    decouple: bool = False
    """X pulses in waits."""
    redundancy: int = 1
    """r: copies of the circuit side by side, r qubits a value. Every other copy flips its qubits
    before they are read, so that what favours 0 over 1 (decay, readout) cancels between copies."""
    scales: tuple[int, ...] = (1,)
    """By which factors the noise is scaled, for an extrapolation to none; (1,) is none."""
    correct: Uses | None = None
    """What a trained corrector sees."""

    def __post_init__(self) -> None:
        rising = sorted({s for s in self.scales if s % 2}) == list(self.scales)
        if self.redundancy < 1 or not rising or self.scales[0] != 1:
            raise ValueError("redundancy is at least 1, noise scales are 1 and larger odd numbers")


PLAIN = Techniques()
DEFAULT = Techniques(placement=True, order="tight", decouple=True, correct="both")
"""What the measurement found worth it beside the others. Off: redundancy, whose copies, for as many
readings, are worse qubits than the best place has; and extrapolation, which beside the corrector
only adds noise of its own. Both help where nothing else is done."""


class NotTrained(RuntimeError):
    """A corrector is asked for, but nothing was learnt yet: call `fit` first."""


class ErrorResilientQuantumEncoding:
    """One trained circuit, to be run on a noisy device for any inputs.

    Args:
        w: trained angles in radians, shape (L, n, 2).
        device: the line of qubits, as calibrated.
        techniques: what to do against the noise.
        importance: of each value to the decision, n numbers, for the placement; None: equal.
        places: where copies run unless the placement chooses; None: one after the other, from
            the beginning of the line on.

    Raises:
        ValueError: the line is too short for the copies.
    """

    def __init__(
        self,
        w: Tensor,
        device: Device = DEVICE,
        techniques: Techniques = DEFAULT,
        *,
        importance: Sequence[float] | None = None,
        places: Sequence[Place] | None = None,
    ) -> None:
        self.w = w.detach().double()
        self.layers, self.n, _ = w.shape
        self.device = device
        self.techniques = techniques
        self.corrector: Corrector | None = None
        copies = techniques.redundancy
        if techniques.placement:
            weights = [1.0] * self.n if importance is None else importance
            self.places = place(device, weights, self.layers, copies)
        else:
            given = places or [Place(copy * self.n) for copy in range(copies)]
            self.places = tuple(given)[:copies]
        self.weights = np.stack([1 / self._predicted(p) ** 2 for p in self.places])
        """Of each copy and value, (r, n): copies count by the inverse of their expected square
        error."""

    def _predicted(self, where: Place) -> Array:
        segment = self.device.segment(where.start, self.n, reverse=where.reverse)
        return predicted_errors(segment, self.layers) + 1e-9

    def circuits(
        self, q: Tensor, k: Tensor, *, today: Device | None = None, noise: bool = True
    ) -> list[QuantumScript]:
        """Every circuit that one readout takes.

        Args:
            q: query angles in radians, shape (n,) or (B, n).
            k: as `q`.
            today: the line as it is when the job runs; None: as calibrated.
            noise: True inserts the device's noise, for a simulator, on wires 0 .. n-1. False gives
                gates alone, on the wires of the chosen places, for a device that has its own.

        Returns:
            Copies times noise scales, scales running fastest; each returns <Z_i> of its n wires.
        """
        tapes = []
        for copy, where in enumerate(self.places):
            line = self.device if today is None else today
            segment = line.segment(where.start, self.n, reverse=where.reverse)
            for folded in self._folded(q, k):
                ops = folded.operations
                if copy % 2:
                    ops = ops + [qml.PauliX(wire) for wire in range(self.n)]
                tape = folded.copy(operations=ops)
                order, decouple = self.techniques.order, self.techniques.decouple
                (tape,), _ = on_device(tape, segment, order, decouple, noise)
                if not noise:
                    wires = range(where.start, where.start + self.n)
                    (tape,), _ = qml.map_wires(
                        tape, dict(enumerate(reversed(wires) if where.reverse else wires))
                    )
                tapes.append(tape)
        return tapes

    def _folded(self, q: Tensor, k: Tensor) -> list[QuantumScript]:
        """The circuit for every noise scale. Only what was trained is folded: the rotations that
        prepare the input are the beginning of a state, and hardly noisy."""
        with qml.queuing.AnnotatedQueue() as queue:
            pair_circuit(q, k, self.w)
            for wire in range(self.n):
                qml.expval(qml.PauliZ(wire))
        tape = QuantumScript.from_queue(queue)
        prepared, trained = tape.operations[: 2 * self.n], tape.operations[2 * self.n :]
        tapes = []
        for scale in self.techniques.scales:
            (folded,), _ = qml.noise.fold_global(QuantumScript(trained), scale)
            tapes.append(tape.copy(operations=prepared + folded.operations))
        return tapes

    def run(
        self, q: Tensor, k: Tensor, *, today: Device | None = None, device: str = "default.mixed"
    ) -> Array:
        """Exact noisy <Z_i> of every circuit on a PennyLane simulator: seconds an input at n = 8.

        Returns:
            (copies, scales, B, n); flipped copies are as they are read. Other arguments as for
            `circuits`.
        """
        tapes = self.circuits(q, k, today=today)
        results = qml.execute(tapes, qml.device(device, wires=self.n))
        z = np.array([[np.atleast_1d(value) for value in result] for result in results])
        return z.reshape(len(self.places), -1, *z.shape[1:]).swapaxes(-1, -2)

    def expected(self, q: Tensor, k: Tensor, *, today: Device | None = None) -> Array:
        """What `run` returns on `default.mixed`, in a fraction of the time (see `transfer`)."""
        zero = torch.zeros(self.n, dtype=torch.float64)
        found = [
            expectations(tables(tape.operations, self.n), q.numpy(), k.numpy())
            for tape in self.circuits(zero, zero, today=today)
        ]
        return np.stack(found).reshape(len(self.places), -1, *q.shape)

    def sampled(self, expected: Array, shots: int, generator: np.random.Generator) -> Array:
        """Readings: what finite shots show of what `expected` says, of the same shape.

        Every value is read from its own shots. On a device the values of a circuit share them,
        which correlates their errors and leaves each one's distribution as it is.

        Args:
            expected: as `expected` returns it, (copies, scales, B, n).
            shots: runs of the device. Copies run side by side; noise scales divide the shots in
                proportion to their coefficient in the extrapolation.
            generator: of the shots.
        """
        shares = np.abs(_coefficients(self.techniques.scales))
        each = np.maximum(1, np.round(shots * shares / shares.sum()).astype(int))[:, None, None]
        p = np.clip((1 + expected) / 2, 0, 1)
        readings: Array = 2 * generator.binomial(each, p) / each - 1
        return readings

    def combined(self, readings: Array) -> Array:
        """One value each, (B, n), in [-1, 1], from the readings of copies and noise scales."""
        z = np.einsum("s,csbn->cbn", _coefficients(self.techniques.scales), readings)
        flips = np.array([-1.0 if copy % 2 else 1.0 for copy in range(len(z))])
        weights = flips[:, None] * self.weights / self.weights.sum(0)
        combined: Array = np.clip(np.einsum("cn,cbn->bn", weights, z), -1, 1)
        return combined

    def learn(self, noisy: Array, q: Tensor, k: Tensor, clean: Array) -> None:
        """Train the corrector, if the techniques have one; arguments as for `Corrector.fit`."""
        if uses := self.techniques.correct:
            self.corrector = Corrector.fit(noisy, q.numpy(), k.numpy(), clean, uses)

    def corrected(self, noisy: Array, q: Tensor, k: Tensor) -> Array:
        """Combined readings, corrected if the techniques say so; all (B, n).

        Raises:
            NotTrained: they do, and there is nothing to go by.
        """
        if self.techniques.correct is None:
            return noisy
        if self.corrector is None:
            raise NotTrained("the corrector has learnt nothing yet: call `fit` with other inputs")
        return self.corrector(noisy, q.numpy(), k.numpy())

    def fit(
        self,
        q: Tensor,
        k: Tensor,
        shots: int,
        generator: np.random.Generator,
        *,
        today: Device | None = None,
    ) -> None:
        """Train the corrector on simulated readouts of inputs (B, n), a few hundred of them."""
        noisy = self.combined(self.sampled(self.expected(q, k, today=today), shots, generator))
        self.learn(noisy, q, k, exact_expectations(q, k, self.w).numpy())

    def readout(
        self,
        q: Tensor,
        k: Tensor,
        shots: int,
        generator: np.random.Generator,
        *,
        today: Device | None = None,
    ) -> Array:
        """The simulated readout, with everything that is done against noise.

        Args:
            q: query angles in radians, shape (B, n).
            k: as `q`.
            shots: runs of the device, see `sampled`.
            generator: of the shots.
            today: the line as it is; None: as calibrated.

        Returns:
            z in [-1, 1], (B, n).

        Raises:
            NotTrained: the techniques have a corrector, and `fit` was not called.
        """
        readings = self.sampled(self.expected(q, k, today=today), shots, generator)
        return self.corrected(self.combined(readings), q, k)


def _coefficients(scales: Sequence[int]) -> Array:
    """The extrapolation is linear: by how much each scale's result counts."""
    if len(scales) == 1:
        return np.ones(1)
    basis = list(np.eye(len(scales)))
    found: Array = qml.noise.richardson_extrapolate(np.array(scales, dtype=float), basis)
    return found
