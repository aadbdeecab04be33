"""The device's numbers: what is published, and what follows from it."""

from dataclasses import replace
from math import exp, inf

import numpy as np
import pytest

from agents.lab.noise.device import DEVICE, Device


@pytest.mark.parametrize("ns", [0.0, 35.6, 402.0, 5000.0])
@pytest.mark.parametrize("qubit", range(len(DEVICE)))
def test_damping_is_that_of_t1_and_t2(qubit: int, ns: float) -> None:
    gamma, phase = DEVICE.damping(qubit, ns)
    us = ns / 1000
    assert 1 - gamma == pytest.approx(exp(-us / DEVICE.t1[qubit]), abs=1e-12)
    coherence = ((1 - gamma) * (1 - phase)) ** 0.5
    assert coherence == pytest.approx(exp(-us / DEVICE.t2[qubit]), abs=1e-12)


@pytest.mark.parametrize("qubits", [(0,), (2, 3)])
def test_gate_errors_are_the_published_ones(qubits: tuple[int, ...]) -> None:
    """Average infidelity of the noise that stands for a gate, from its Kraus operators."""
    device = DEVICE.segment(8, 4)
    ns = device.pulse_ns if len(qubits) == 1 else device.cnot_ns[2]
    p = device.depolarising(qubits)
    fidelity = 1.0
    for qubit in qubits:  # of independent channels the entanglement fidelities multiply
        gamma, phase = device.damping(qubit, ns)
        coherence = ((1 - gamma) * (1 - phase)) ** 0.5
        decayed = (2 - gamma + 2 * coherence) / 4
        fidelity *= (1 - 4 * p / 3) * decayed + p / 3  # depolarising mixes in 1/4 of everything
    d = 2 ** len(qubits)
    infidelity = 1 - (d * fidelity + 1) / (d + 1)
    published = device.pulse_error[0] if len(qubits) == 1 else device.cnot_error[2]
    assert infidelity == pytest.approx(published, rel=0.02)


def test_a_reversed_segment_is_the_segment_backwards() -> None:
    forwards, backwards = DEVICE.segment(3, 5), DEVICE.segment(3, 5, reverse=True)
    assert backwards.t1 == forwards.t1[::-1] == DEVICE.t1[3:8][::-1]
    assert backwards.cnot_ns == forwards.cnot_ns[::-1] == DEVICE.cnot_ns[3:7][::-1]


@pytest.mark.parametrize(("start", "length"), [(-1, 3), (19, 3), (0, 22)])
def test_a_segment_beyond_the_line_is_refused(start: int, length: int) -> None:
    with pytest.raises(ValueError, match="qubits from"):
        DEVICE.segment(start, length)


def test_no_noise_is_none(device: Device) -> None:
    perfect = device.scaled(0)
    assert perfect.damping(0, 1e6) == (0.0, 0.0)
    assert perfect.depolarising((0, 1)) == 0.0
    assert set(perfect.t1) == {inf}
    assert not any((*perfect.read_0_for_1, *perfect.zz_khz, *perfect.detuning_khz))
    assert perfect.cnot_ns == device.cnot_ns


def test_drift_keeps_pure_dephasing_and_is_reproducible() -> None:
    a, b = (DEVICE.drifted(np.random.default_rng(0)) for _ in range(2))
    assert a == b
    assert a != DEVICE.drifted(np.random.default_rng(1))

    def dephasing(device: Device) -> np.ndarray:
        return 1 / np.array(device.t2) - 0.5 / np.array(device.t1)

    np.testing.assert_allclose(dephasing(a), dephasing(DEVICE), atol=1e-12)


@pytest.mark.parametrize(
    "change",
    [
        {"t2": (400.0,) * 21},
        {"t1": (100.0,)},
        {"zz_khz": (0.0,) * 21},
        {"pulse_error": (2.0,) * 21},
    ],
)
def test_impossible_devices_are_refused(change: dict[str, tuple[float, ...]]) -> None:
    with pytest.raises(ValueError, match=r"T2 cannot|a line of|probabilities"):
        replace(DEVICE, **change)
