"""The front: each technique does what it says, and nothing else."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pennylane as qml
import pytest
import torch
from torch import Tensor

from agents.distiller.circuits.reference import expectations as exact
from agents.distiller.circuits.reference import pair_circuit
from agents.lab.noise.device import DEVICE, Device
from agents.lab.noise.encoding import (
    DEFAULT,
    PLAIN,
    ErrorResilientQuantumEncoding,
    NotTrained,
    Techniques,
)
from agents.lab.noise.execution import on_device
from agents.lab.noise.placement import Place, place

Draw = Callable[[int], tuple[Tensor, Tensor, Tensor]]
MANY = 10**9
"""Shots that leave next to no sampling error."""


def readout(techniques: Techniques, device: Device, angles: Draw, shots: int = MANY) -> np.ndarray:
    q, k, w = angles(40)
    encoding = ErrorResilientQuantumEncoding(w, device, techniques)
    generator = np.random.default_rng(0)
    encoding.fit(*angles(60)[:2], shots, generator)
    return encoding.readout(q, k, shots, generator)


def error(techniques: Techniques, device: Device, angles: Draw) -> float:
    z = readout(techniques, device, angles)
    return float(np.abs(z - exact(*angles(40)).numpy()).mean())


@pytest.mark.parametrize(
    "techniques",
    [PLAIN, DEFAULT, Techniques(redundancy=3), Techniques(scales=(1, 3, 5), decouple=True)],
    ids=str,
)
def test_without_noise_every_way_is_exact(
    techniques: Techniques, device: Device, angles: Draw
) -> None:
    assert error(techniques, device.scaled(0), angles) < 1e-3


def test_one_copy_and_one_scale_are_the_bare_readout(device: Device, angles: Draw) -> None:
    q, k, w = angles(5)
    encoding = ErrorResilientQuantumEncoding(w, device, PLAIN)
    expected = encoding.expected(q, k)
    assert expected.shape == (1, 1, 5, 3)
    z = encoding.readout(q, k, 1000, np.random.default_rng(0))
    counts = np.random.default_rng(0).binomial(1000, (1 + expected) / 2)
    np.testing.assert_allclose(z, 2 * counts[0, 0] / 1000 - 1, atol=1e-12)


def test_extrapolation_is_pennylanes(device: Device, angles: Draw) -> None:
    """What `mitigate_with_zne` makes of the same circuit, folded in the same places."""
    q, k, w = angles(1)
    scales = (1, 3)
    encoding = ErrorResilientQuantumEncoding(w, device, Techniques(scales=scales))
    ours = encoding.combined(encoding.expected(q, k))[0]

    def trained_only(tape: qml.tape.QuantumScript, scale: float) -> qml.tape.QuantumScript:
        (folded,), _ = qml.noise.fold_global(qml.tape.QuantumScript(tape.operations[6:]), scale)
        return qml.tape.QuantumScript(tape.operations[:6] + folded.operations)

    with qml.queuing.AnnotatedQueue() as queue:
        pair_circuit(q[0], k[0], w)
        for wire in range(3):
            qml.expval(qml.PauliZ(wire))
    tapes, combine = qml.noise.mitigate_with_zne(
        qml.tape.QuantumScript.from_queue(queue), scales, trained_only,
        qml.noise.richardson_extrapolate,
    )  # fmt: skip
    noisy = [on_device(tape, device.segment(0, 3))[0][0] for tape in tapes]
    theirs = combine(qml.execute(noisy, qml.device("default.mixed", wires=3)))
    np.testing.assert_allclose(ours, np.clip(np.array(theirs, dtype=float), -1, 1), atol=1e-10)


def test_extrapolation_removes_a_noise_that_scales(device: Device, angles: Draw) -> None:
    """Gate errors alone, which folding triples."""
    quiet = device.scaled(0)
    noisy = replace(quiet, cnot_error=(0.01,) * 8)
    assert error(Techniques(scales=(1, 3)), noisy, angles) < 0.3 * error(PLAIN, noisy, angles)


def test_two_copies_cancel_what_favours_one_bit(device: Device, angles: Draw) -> None:
    """A readout that only ever loses 1s shifts one copy up and the flipped one down."""
    biased = replace(device.scaled(0), read_0_for_1=(0.2,) * 9)
    z = exact(*angles(40)).numpy()
    one = readout(PLAIN, biased, angles) - z
    two = readout(Techniques(redundancy=2), biased, angles) - z
    np.testing.assert_allclose(one, 0.2 * (1 - z), atol=1e-3)
    np.testing.assert_allclose(two, -0.2 * z, atol=1e-3)


def test_a_copy_counts_by_how_good_its_qubits_are(device: Device, angles: Draw) -> None:
    """One copy on qubits that are read at random is next to ignored."""
    noise = (0.0,) * 3 + (0.5,) * 3 + (0.0,) * 3
    half = replace(device.scaled(0), read_0_for_1=noise, read_1_for_0=noise)
    assert error(Techniques(redundancy=2), half, angles) < 1e-3


def test_the_corrector_helps_on_another_day(angles: Draw) -> None:
    """Trained on one day, on other inputs, read on the next, when the device has drifted."""
    q, k, w = angles(40)
    clean, errors = exact(q, k, w).numpy(), []
    yesterday, today = (DEVICE.drifted(np.random.default_rng(seed)) for seed in (1, 2))
    for techniques in (PLAIN, replace(PLAIN, correct="both")):
        generator = np.random.default_rng(0)
        encoding = ErrorResilientQuantumEncoding(w, DEVICE, techniques)
        encoding.fit(*angles(200)[:2], 4096, generator, today=yesterday)
        z = encoding.readout(q, k, 4096, generator, today=today)
        errors.append(np.abs(z - clean).mean())
    assert errors[1] < 0.7 * errors[0]


def test_a_corrector_that_learnt_nothing_says_so(angles: Draw) -> None:
    q, k, w = angles(1)
    encoding = ErrorResilientQuantumEncoding(w)
    with pytest.raises(NotTrained, match="fit"):
        encoding.readout(q, k, 100, np.random.default_rng(0))


def test_shots_decide_the_precision(device: Device, angles: Draw) -> None:
    exactly = readout(PLAIN, device, angles)
    few, more = (np.abs(readout(PLAIN, device, angles, n) - exactly).mean() for n in (100, 10_000))
    assert few / more == pytest.approx(10, rel=0.3)


def test_circuits_for_a_real_device_are_gates_on_the_chosen_qubits(angles: Draw) -> None:
    """On a perfect simulator they give the exact value, whatever is done against noise."""
    q, k, w = angles(2)
    techniques = replace(DEFAULT, redundancy=2)
    importance = [0.1, 0.2, 0.7]
    encoding = ErrorResilientQuantumEncoding(w, DEVICE, techniques, importance=importance)
    assert encoding.places == place(DEVICE, importance, 2, copies=2)
    tapes = encoding.circuits(q, k, noise=False)
    assert len(tapes) == 2
    for sign, tape, where in zip((1, -1), tapes, encoding.places, strict=True):
        assert set(tape.wires) == set(range(where.start, where.start + 3))
        assert {op.name for op in tape.operations} <= {"RY", "RZ", "CNOT", "PauliX"}
        z = torch.stack(qml.execute([tape], qml.device("default.qubit"))[0], dim=-1)
        torch.testing.assert_close(sign * z, exact(q, k, w), rtol=0, atol=1e-10)


def test_places_can_be_given(device: Device, angles: Draw) -> None:
    _, _, w = angles(1)
    given = [Place(5, True), Place(0)]
    encoding = ErrorResilientQuantumEncoding(w, device, Techniques(redundancy=2), places=given)
    assert encoding.places == tuple(given)


@pytest.mark.parametrize(
    "wrong", [{"redundancy": 0}, {"scales": (3, 5)}, {"scales": (1, 2)}, {"scales": (1, 5, 3)}]
)
def test_techniques_that_cannot_be_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="redundancy is at least 1"):
        Techniques(**wrong)  # type: ignore[arg-type]


def test_copies_that_do_not_fit_are_refused(device: Device, angles: Draw) -> None:
    _, _, w = angles(1)
    with pytest.raises(ValueError, match="qubits from"):
        ErrorResilientQuantumEncoding(w, device, Techniques(redundancy=4))
