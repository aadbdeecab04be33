"""What a superconducting device does to a circuit, in numbers that its maker publishes.

Per qubit: relaxation and coherence times T1 and T2, the error of a microwave pulse, and how often
a 0 is read as 1 and a 1 as 0. Per neighbouring pair: length and error of a CNOT, and the always-on
ZZ coupling. On top, what no calibration sheet says: a detuning of each qubit that is constant
over a job and another one in the next, and T1 that wanders. That slow part and the ZZ coupling
are all that decoupling pulses can undo: the decay by T1 and T2 has no memory, and no pulse takes
it back.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, inf

import numpy as np

Floats = tuple[float, ...]

DRIFT_KHZ = 5.0
"""Standard deviation of the detunings that a job finds. That frequency and T1 wander over hours
and days is observed (Burnett et al., npj Quantum Information 5:54, 2019; Schloer et al., Physical
Review Letters 123, 190502, 2019); by how much, here, is our assumption."""
DRIFT_T1 = 0.2
"""Standard deviation of log T1, likewise."""


@dataclass(frozen=True, slots=True)
class Device:
    """A line of N qubits, each coupled to the next.

    Raises:
        ValueError: lengths disagree, a T2 exceeds 2 T1, or a probability is not one.
    """

    t1: Floats
    """Relaxation times, us, one per qubit."""
    t2: Floats
    """Coherence times (Hahn echo), us."""
    pulse_error: Floats
    """Average gate infidelity of one microwave pulse."""
    read_1_for_0: Floats
    """Probability that a qubit in |0> is read as 1."""
    read_0_for_1: Floats
    """Probability that a qubit in |1> is read as 0."""
    cnot_ns: Floats
    """Length of the CNOT of each qubit with the next, ns; N - 1 of them."""
    cnot_error: Floats
    """Its average gate infidelity."""
    zz_khz: Floats
    """How far |1> of one shifts the frequency of the next, kHz; N - 1 of them."""
    detuning_khz: Floats
    """How far each qubit's frequency is off its control, kHz. Nobody knows it in advance."""
    pulse_ns: float
    """Length of a microwave pulse, ns. RZ is a change of frame: no pulse, no time, no error."""

    def __post_init__(self) -> None:
        n = len(self.t1)
        qubits = (self.t2, self.pulse_error, self.read_1_for_0, self.read_0_for_1)
        pairs = (self.cnot_ns, self.cnot_error, self.zz_khz)
        if {len(x) for x in (*qubits, self.detuning_khz)} != {n} or {*map(len, pairs)} != {n - 1}:
            raise ValueError(f"a line of {n} qubits needs {n} numbers a qubit, {n - 1} a coupling")
        if any(t2 > 2 * t1 * (1 + 1e-9) for t1, t2 in zip(self.t1, self.t2, strict=True)):
            raise ValueError("T2 cannot exceed 2 T1")
        if not all(0 <= p <= 1 for x in (*qubits[1:], self.cnot_error) for p in x):
            raise ValueError("errors are probabilities, 0 to 1")

    def __len__(self) -> int:
        return len(self.t1)

    def segment(self, start: int, length: int, *, reverse: bool = False) -> "Device":
        """The `length` qubits from `start` on, in the order of a circuit's wires.

        Raises:
            ValueError: the line has no such qubits.
        """
        if not 0 <= start <= len(self) - length:
            raise ValueError(f"no {length} qubits from {start} on in a line of {len(self)}")
        step = -1 if reverse else 1

        def cut(x: Floats, fewer: int = 0) -> Floats:
            return x[start : start + length - fewer][::step]

        return Device(
            cut(self.t1), cut(self.t2), cut(self.pulse_error), cut(self.read_1_for_0),
            cut(self.read_0_for_1), cut(self.cnot_ns, 1), cut(self.cnot_error, 1),
            cut(self.zz_khz, 1), cut(self.detuning_khz), self.pulse_ns,
        )  # fmt: skip

    def scaled(self, factor: float) -> "Device":
        """The same device with `factor` times the noise; 0 is a perfect one. Times stay."""

        def times(x: Floats, limit: float = inf) -> Floats:
            return tuple(min(limit, factor * y) for y in x)

        def longer(x: Floats) -> Floats:
            return tuple(y / factor if factor else inf for y in x)

        return replace(
            self,
            t1=longer(self.t1), t2=longer(self.t2),
            pulse_error=times(self.pulse_error, 0.5), cnot_error=times(self.cnot_error, 0.5),
            read_1_for_0=times(self.read_1_for_0, 0.5), read_0_for_1=times(self.read_0_for_1, 0.5),
            zz_khz=times(self.zz_khz), detuning_khz=times(self.detuning_khz),
        )  # fmt: skip

    def drifted(
        self, generator: np.random.Generator, *, khz: float = DRIFT_KHZ, spread: float = DRIFT_T1
    ) -> "Device":
        """The device as a job finds it, some time after its calibration.

        Args:
            generator: of the draw.
            khz: standard deviation of the detunings.
            spread: standard deviation of log T1. T2 keeps its share of pure dephasing.
        """
        n = len(self)
        t1 = np.array(self.t1) * np.exp(spread * generator.standard_normal(n))
        dephasing = 1 / np.array(self.t2) - 0.5 / np.array(self.t1)  # 1 / T_phi, per us
        with np.errstate(divide="ignore"):  # of a perfect device T2 stays infinite
            t2 = 1 / (0.5 / t1 + np.maximum(dephasing, 0))
        detuning = khz * generator.standard_normal(n)
        return replace(
            self,
            t1=tuple(t1.tolist()), t2=tuple(t2.tolist()), detuning_khz=tuple(detuning.tolist()),
        )  # fmt: skip

    def damping(self, qubit: int, ns: float) -> tuple[float, float]:
        """What `ns` of waiting do to a qubit.

        Returns:
            gamma of an amplitude damping and lambda of a phase damping that together let the
            population of |1> decay by exp(-t / T1) and the coherence by exp(-t / T2).
        """
        us = ns / 1000
        gamma = 1 - exp(-us / self.t1[qubit])
        phase = 1 - exp(us / self.t1[qubit] - 2 * us / self.t2[qubit])
        return gamma, max(0.0, phase)

    def depolarising(self, qubits: Sequence[int], pulses: int = 1) -> float:
        """Depolarising probability per qubit that a gate has beyond the decay while it lasts.

        The published gate errors contain the decay, which the simulation adds on its own. To first
        order the decay makes d / (2 (d + 1)) t sum (1 / T1 + 1 / T_phi) of the infidelity
        (Abad et al., Physical Review Letters 129, 150504, 2022); the rest is left to errors X, Y
        and Z, each p / 3 on each of the gate's m qubits, m p d / (d + 1) with d = 2^m.

        Args:
            qubits: one, or two neighbours.
            pulses: of a gate on one qubit.
        """
        m, d = len(qubits), 2 ** len(qubits)
        if m == 1:
            error, ns = pulses * self.pulse_error[qubits[0]], pulses * self.pulse_ns
        else:
            error, ns = self.cnot_error[min(qubits)], self.cnot_ns[min(qubits)]
        rate = sum(0.5 / self.t1[q] + 1 / self.t2[q] for q in qubits)
        rest = error - d / (2 * (d + 1)) * ns / 1000 * rate
        return max(0.0, float(rest * (d + 1) / (d * m)))


def _device() -> Device:
    # qubit, T1, T2 (us), error of a pulse, 1 read for 0, 0 read for 1; CNOT to the next (ns),
    # its error, ZZ to the next (kHz)
    rows = (
        (0, 159.9, 161.2, 2.01e-4, 0.0182, 0.0236, 420, 0.03067, -56.1),
        (1, 172.7, 36.5, 4.39e-4, 0.0166, 0.0238, 704, 0.03420, -134.3),
        (2, 71.8, 124.0, 2.20e-4, 0.0098, 0.0184, 391, 0.00562, -73.8),
        (3, 112.4, 188.0, 3.07e-4, 0.0292, 0.0450, 356, 0.00695, -46.3),
        (5, 93.6, 125.6, 2.16e-4, 0.0152, 0.0222, 1316, 0.02191, -56.1),
        (8, 83.9, 55.2, 2.71e-4, 0.0596, 0.0624, 590, 0.00952, -40.7),
        (11, 124.4, 95.6, 2.49e-4, 0.0126, 0.0220, 370, 0.00469, -40.1),
        (14, 107.9, 204.6, 1.78e-4, 0.1022, 0.1002, 313, 0.00511, -65.1),
        (16, 98.9, 121.6, 3.21e-4, 0.0056, 0.0234, 718, 0.01374, -56.8),
        (19, 133.2, 170.5, 1.71e-4, 0.0152, 0.0220, 327, 0.00466, -47.8),
        (22, 171.1, 192.1, 1.93e-4, 0.0216, 0.0388, 448, 0.00554, -52.2),
        (25, 154.1, 83.8, 1.84e-4, 0.0404, 0.0476, 434, 0.00613, -39.7),
        (24, 161.3, 69.4, 2.36e-4, 0.0310, 0.0306, 626, 0.01080, -77.4),
        (23, 109.8, 156.2, 3.10e-4, 0.0134, 0.0260, 391, 0.00754, -46.0),
        (21, 55.5, 93.3, 3.04e-4, 0.0172, 0.0260, 498, 0.00772, -58.0),
        (18, 117.2, 54.6, 2.67e-4, 0.0192, 0.0256, 306, 0.00514, -40.3),
        (15, 108.1, 140.5, 1.65e-4, 0.0766, 0.0802, 370, 0.00503, -39.7),
        (12, 124.7, 71.8, 2.07e-4, 0.0458, 0.0424, 363, 0.00577, -79.2),
        (10, 111.9, 140.9, 2.38e-4, 0.0336, 0.0464, 398, 0.00563, -42.4),
        (7, 121.2, 149.2, 1.86e-4, 0.0144, 0.0268, 341, 0.00520, -52.8),
        (4, 95.7, 70.0, 2.40e-4, 0.0056, 0.0246, 0, 0, 0),
    )
    _, t1, t2, pulse, one, zero, ns, cnot, zz = (
        tuple(map(float, x)) for x in zip(*rows, strict=True)
    )
    still = (0.0,) * len(rows)
    return Device(t1, t2, pulse, one, zero, ns[:-1], cnot[:-1], zz[:-1], still, pulse_ns=35.6)


DEVICE = _device()
"""The longest line, 21 qubits, through `ibmq_mumbai`, a Falcon r5.1 of 27 fixed-frequency
transmons, as its maker's calibration of 13 March 2021 has it (the snapshot `FakeMumbaiV2` of
qiskit-ibm-runtime, Apache-2.0: T1, T2, errors of `sx` and `cx`, readout, `zz`)."""
