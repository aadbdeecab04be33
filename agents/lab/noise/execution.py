"""A PennyLane transform: a circuit as a device would run it, gates in time and noise in between.

The noise of a wait or a gate of length t is amplitude and phase damping by T1 and T2. Waits add
RZ by the detuning, and, while two neighbours both wait, the phase of their ZZ coupling on |11>
(control frequencies are calibrated with neighbours in |0>). Gates add depolarising errors, up to
their published error. The readout flips bits. Simplified: during a CNOT the coupling to third
qubits is left out, and nothing leaks out of the two levels.
"""

from collections.abc import Callable, Sequence
from math import pi, sqrt
from typing import Any

import numpy as np
import pennylane as qml
from pennylane.operation import Operator
from pennylane.tape import QuantumScript

from agents.lab.noise.device import Device
from agents.lab.noise.schedule import Order, Timed, decoupled, makespan, pulses, schedule


@qml.transform  # type: ignore[untyped-decorator]
def on_device(
    tape: QuantumScript,
    device: Device,
    order: Order = "early",
    decouple: bool = False,
    noise: bool = True,
) -> tuple[list[QuantumScript], Callable[[Sequence[Any]], Any]]:
    """Schedule a circuit, fill its waits, and insert the device's noise.

    Args:
        tape: gates on wires 0 .. N-1, which are the device's qubits, two-qubit gates CNOTs of
            neighbours only; measurements are kept.
        device: the qubits.
        order: see `schedule`.
        decouple: insert decoupling pulses.
        noise: False gives the gates alone, in the order of time: for a device that has its own.

    Returns:
        One tape, as a PennyLane transform does.

    Raises:
        ValueError: a gate that the device does not have.
    """
    with qml.QueuingManager.stop_recording():
        timed = schedule(map(_plain, tape.operations), device, order)
        if decouple:
            timed = decoupled(timed, device)
        ops = _Noise(device).of(timed) if noise else [t.op for t in timed]
    return [tape.copy(operations=ops)], lambda results: results[0]


def _plain(op: Operator) -> Operator:
    """RY(-a) in place of Adjoint(RY(a)), which `fold_global` leaves."""
    return qml.adjoint(op.base, lazy=False) if op.name.startswith("Adjoint(") else op


class _Noise:
    """Walks through time and inserts what happens to each qubit before, in and after each gate."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.ops: list[Operator] = []
        self.clock: dict[int, float] = {}
        """Until when the noise of a qubit is in; only of those that have left |0>."""
        self.coupled: dict[int, float] = {}
        """Until when the coupling of a qubit to the next is in."""
        self.free: dict[int, float] = {}
        """When the last gate of a qubit ends."""

    def of(self, timed: Sequence[Timed]) -> list[Operator]:
        """Gates and noise, in the order of time."""
        for t in timed:
            if t.ns:  # a change of frame commutes with all that a wait does
                for wire in t.op.wires:
                    self._wait(wire, t.start)
            self.ops.append(t.op)
            if t.ns:
                self._gate(t)
        for wire in sorted(self.clock):
            self._wait(wire, makespan(timed))
            self._read(wire)
        return self.ops

    def _wait(self, wire: int, until: float) -> None:
        if wire not in self.clock:
            return
        for first in (wire - 1, wire):
            self._couple(first, until)
        if (ns := until - self.clock[wire]) > 0:
            self._decay(wire, ns)
            if angle := 2 * pi * self.device.detuning_khz[wire] * ns * 1e-6:
                self.ops.append(qml.RZ(angle, wires=wire))
            self.clock[wire] = until

    def _couple(self, first: int, until: float) -> None:
        """The phase that |11> of a qubit and the next has gathered while both waited."""
        if first not in self.clock or first + 1 not in self.clock:
            return
        since = max(self.free[first], self.free[first + 1], self.coupled.get(first, 0.0))
        if (ns := until - since) > 0:
            if angle := -2 * pi * self.device.zz_khz[first] * ns * 1e-6:
                self.ops.append(qml.ControlledPhaseShift(angle, wires=(first, first + 1)))
            self.coupled[first] = until

    def _gate(self, t: Timed) -> None:
        """The noise of a gate, after it."""
        wires = t.op.wires.tolist()
        p = self.device.depolarising(wires, pulses(t.op))
        for wire in wires:
            self._decay(wire, t.ns)
            if p:
                self.ops.append(qml.DepolarizingChannel(p, wires=wire))
            self.clock[wire] = self.free[wire] = t.end

    def _decay(self, wire: int, ns: float) -> None:
        gamma, phase = self.device.damping(wire, ns)
        if gamma:
            self.ops.append(qml.AmplitudeDamping(gamma, wires=wire))
        if phase:
            self.ops.append(qml.PhaseDamping(phase, wires=wire))

    def _read(self, wire: int) -> None:
        """A classical bit flip, for a readout of Z."""
        up, down = self.device.read_1_for_0[wire], self.device.read_0_for_1[wire]
        if up or down:
            kraus = (
                [[sqrt(1 - up), 0], [0, 0]], [[0, 0], [sqrt(up), 0]],
                [[0, 0], [0, sqrt(1 - down)]], [[0, sqrt(down)], [0, 0]],
            )  # fmt: skip
            self.ops.append(qml.QubitChannel([np.array(k) for k in kraus], wires=wire))
