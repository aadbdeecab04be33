"""Schedules: nothing overlaps, nothing changes places, nothing takes longer than it must."""

from itertools import pairwise

import numpy as np
import pennylane as qml
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pennylane.operation import Operator
from pennylane.tape import QuantumScript

from agents.lab.noise.device import DEVICE, Device
from agents.lab.noise.schedule import ORDERS, Order, Timed, decoupled, makespan, schedule

LINE = DEVICE.segment(2, 4)


@st.composite
def circuits(draw: st.DrawFn) -> list[Operator]:
    """Up to 14 gates on up to four wires."""
    ops: list[Operator] = []
    for _ in range(draw(st.integers(1, 14))):
        wire = draw(st.integers(0, 3))
        kind = draw(st.sampled_from(["RY", "RZ", "PauliX", "CNOT"]))
        if kind == "CNOT":
            ops.append(qml.CNOT(wires=draw(st.sampled_from([(0, 1), (1, 2), (3, 2)]))))
        elif kind == "PauliX":
            ops.append(qml.PauliX(wire))
        else:
            ops.append(getattr(qml, kind)(draw(st.floats(-3, 3)), wires=wire))
    return ops


def on_wire(timed: list[Timed], wire: int) -> list[Timed]:
    return [t for t in timed if wire in t.op.wires]


def assert_possible(timed: list[Timed]) -> None:
    """In the order of time, from 0 on, and never two things at once on a wire."""
    assert [t.start for t in timed] == sorted(t.start for t in timed)
    assert all(t.start >= -1e-9 for t in timed)
    for wire in range(4):
        mine = on_wire(timed, wire)
        assert all(a.end <= b.start + 1e-9 for a, b in pairwise(mine))


@given(circuits(), st.sampled_from(ORDERS))
def test_every_order_is_possible_and_keeps_each_wires_gates(
    ops: list[Operator], order: Order
) -> None:
    timed = schedule(ops, LINE, order)
    assert_possible(timed)
    for wire in range(4):
        assert [t.op for t in on_wire(timed, wire)] == [op for op in ops if wire in op.wires]


@given(circuits())
def test_late_takes_as_long_as_early_and_is_never_earlier(ops: list[Operator]) -> None:
    early, late, tight = (schedule(ops, LINE, order) for order in ORDERS)
    assert makespan(early) == pytest.approx(makespan(late)) == pytest.approx(makespan(tight))
    starts = {id(t.op): t.start for t in early}
    for later in (late, tight):
        assert all(t.start >= starts[id(t.op)] - 1e-9 for t in later)


@settings(max_examples=40)
@given(circuits(), st.sampled_from(ORDERS))
def test_decoupling_leaves_the_unitary_and_the_length(ops: list[Operator], order: Order) -> None:
    timed = schedule(ops, LINE, order)
    filled = decoupled(timed, LINE)
    assert_possible(filled)
    assert makespan(filled) == pytest.approx(makespan(timed))
    matrices = [
        qml.matrix(QuantumScript([t.op for t in x]), wire_order=range(4)) for x in (timed, filled)
    ]
    np.testing.assert_allclose(matrices[0], matrices[1], atol=1e-12)


def test_tight_begins_late_and_ends_early() -> None:
    """A ladder: its last qubit is prepared just in time, its first is finished at once."""
    ops = [qml.RY(0.1, 0), qml.RY(0.2, 2), qml.CNOT((0, 1)), qml.CNOT((1, 2)), qml.RY(0.3, 0)]
    pulse = 2 * LINE.pulse_ns
    when = {t.op.parameters[0]: t.start for t in schedule(ops, LINE, "tight") if t.op.parameters}
    assert when[0.2] == pytest.approx(LINE.cnot_ns[0])
    assert when[0.3] == pytest.approx(pulse + LINE.cnot_ns[0])
    late = {t.op.parameters[0]: t.start for t in schedule(ops, LINE, "late") if t.op.parameters}
    assert late[0.3] == pytest.approx(LINE.cnot_ns[0] + LINE.cnot_ns[1])


@pytest.mark.parametrize("op", [qml.CNOT((0, 2)), qml.CZ((0, 1)), qml.SWAP((1, 2))])
def test_gates_that_the_device_lacks_are_refused(op: Operator, device: Device) -> None:
    with pytest.raises(ValueError, match="neighbours only"):
        schedule([op], device)
