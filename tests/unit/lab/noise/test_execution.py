"""The transform: which noise is where, and what decoupling can and cannot undo."""

from collections.abc import Callable
from dataclasses import replace
from math import cos, exp, pi

import numpy as np
import pennylane as qml
import pytest
from pennylane.operation import Operator
from pennylane.tape import QuantumScript
from torch import Tensor

from agents.distiller.circuits.reference import expectations as exact
from agents.distiller.circuits.reference import pair_circuit
from agents.lab.noise.device import DEVICE, Device
from agents.lab.noise.execution import on_device
from agents.lab.noise.schedule import ORDERS, Order

QUIET = DEVICE.segment(4, 3).scaled(0)


def run(
    ops: list[Operator],
    device: Device,
    order: Order = "early",
    decouple: bool = False,
    observable: Operator | None = None,
) -> float:
    tape = QuantumScript(ops, [qml.expval(observable or qml.PauliX(0))])
    (noisy,), _ = on_device(tape, device, order, decouple)
    return float(qml.execute([noisy], qml.device("default.mixed", wires=3))[0])


def waiting(us: float) -> tuple[list[Operator], Device]:
    """Qubit 0 in |+> waits for a CNOT of two others; returns the gates and a device for it."""
    ops = [qml.RY(pi / 2, 0), qml.CNOT((1, 2))]
    return ops, replace(QUIET, cnot_ns=(100.0, 1000 * us + 2 * QUIET.pulse_ns))


def test_a_waiting_qubit_loses_its_coherence_by_t2_and_no_pulse_helps() -> None:
    ops, device = waiting(20)
    device = replace(device, t1=(80.0,) * 3, t2=(60.0,) * 3)
    (tape,), _ = on_device(QuantumScript(ops), device)
    damped = [op for op in tape.operations if op.name == "AmplitudeDamping" and op.wires[0] == 0]
    assert damped[-1].parameters[0] == pytest.approx(1 - exp(-20 / 80))
    free = run(ops, device)
    assert free == pytest.approx(exp(-(20 + 2 * device.pulse_ns / 1000) / 60), abs=1e-9)
    assert run(ops, device, decouple=True) == pytest.approx(free, abs=1e-9)


def test_a_detuned_qubit_turns_and_decoupling_turns_it_back() -> None:
    ops, device = waiting(20)
    device = replace(device, detuning_khz=(10.0, 0.0, 0.0))
    assert run(ops, device) == pytest.approx(cos(2 * pi * 0.01 * 20))
    # The pulses take a little of the wait, during which nothing turns.
    assert run(ops, device, decouple=True) == pytest.approx(1, abs=1e-9)


def test_coupled_qubits_that_wait_together_are_decoupled_from_each_other() -> None:
    """Two qubits in |+>, coupled, wait for nothing but the end of a long CNOT elsewhere."""
    line = DEVICE.segment(4, 4).scaled(0)
    device = replace(line, zz_khz=(-50.0, 0.0, 0.0), cnot_ns=(1.0, 1.0, 5000.0))
    ops = [qml.RY(pi / 2, 0), qml.RY(pi / 2, 1), qml.CNOT((2, 3))]
    results = []
    for decouple in (False, True):
        tape = QuantumScript(ops, [qml.expval(qml.PauliX(0))])
        (noisy,), _ = on_device(tape, device, "early", decouple)
        results.append(float(qml.execute([noisy], qml.device("default.mixed", wires=4))[0]))
    turned = 2 * pi * 0.05 * (5 - 2 * device.pulse_ns / 1000)  # of |+>, if the other is in |1>
    assert results[0] == pytest.approx((1 + cos(turned)) / 2, abs=1e-6)
    assert results[1] == pytest.approx(1, abs=2e-3)


def test_a_qubit_that_has_not_begun_has_no_noise(device: Device) -> None:
    """With the preparation as late as can be, nothing happens on the wire before it."""
    ops = [qml.RY(0.1, 0), qml.CNOT((0, 1)), qml.RY(0.2, 2), qml.CNOT((1, 2))]
    (tape,), _ = on_device(QuantumScript(ops), device, "late")
    mine = [op for op in tape.operations if 2 in op.wires]
    assert mine[0].name == "RY"


@pytest.mark.parametrize(("bit", "expected"), [(0, 1 - 2 * 0.03), (1, -1 + 2 * 0.08)])
def test_the_readout_flips_bits(bit: int, expected: float) -> None:
    device = replace(QUIET, read_1_for_0=(0.03,) * 3, read_0_for_1=(0.08,) * 3)
    ops = [qml.RY(pi * bit, 0)]
    assert run(ops, device, observable=qml.PauliZ(0)) == pytest.approx(expected)


@pytest.mark.parametrize("decouple", [False, True])
@pytest.mark.parametrize("order", ORDERS)
def test_without_noise_the_value_is_exact(
    order: Order, decouple: bool, angles: Callable[[int], tuple[Tensor, Tensor, Tensor]]
) -> None:
    q, k, w = angles(4)
    with qml.queuing.AnnotatedQueue() as queue:
        pair_circuit(q, k, w)
        for wire in range(3):
            qml.expval(qml.PauliZ(wire))
    (tape,), _ = on_device(QuantumScript.from_queue(queue), QUIET, order, decouple)
    z = np.stack(qml.execute([tape], qml.device("default.mixed", wires=3))[0], axis=-1)
    np.testing.assert_allclose(z, exact(q, k, w).numpy(), atol=1e-10)


def test_it_is_a_pennylane_transform(device: Device) -> None:
    @qml.qnode(qml.device("default.mixed", wires=2))
    def circuit(angle: float) -> object:
        qml.RY(angle, 0)
        qml.CNOT((0, 1))
        return qml.expval(qml.PauliZ(1))

    noisy = on_device(circuit, device, order="late")
    assert 0 < abs(noisy(0.7) - circuit(0.7)) < 0.2
