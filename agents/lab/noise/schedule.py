"""When each gate of a circuit runs, and what is done with the time between.

A circuit says in which order gates follow on each wire. On a device they take time, and qubits
wait; what a wait costs depends on the state that waits. A qubit that has not begun is in |0>, which
neither decays nor turns. A qubit that is only to be read has nothing to lose but its population.
Three orders, all with the same length:

- `early`: every gate as soon as its qubits are free. Simple, and the worst: the ladder's last
  qubit is prepared at once and waits for all the others.
- `late`: every gate as late as the end of the circuit permits.
- `tight`: `late`, but what follows a qubit's last two-qubit gate comes at once: a qubit begins as
  late and is turned into its measured axis as early as can be, and phases have the least time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import pennylane as qml
from pennylane.operation import Operation

from agents.lab.noise.device import Device

Order = Literal["early", "late", "tight"]
ORDERS: tuple[Order, ...] = get_args(Order)

VIRTUAL = ("RZ", "PhaseShift", "PauliZ", "S", "T", "Identity")
"""Changes of frame (McKay et al., Physical Review A 96, 022330, 2017)."""
SINGLE = ("PauliX", "PauliY", "SX")
"""One pulse; any other gate on one qubit takes two, with changes of frame around them."""


@dataclass(frozen=True, slots=True)
class Timed:
    """A gate and when it runs, ns from the start of the circuit."""

    op: Operation
    start: float
    ns: float

    @property
    def end(self) -> float:
        return self.start + self.ns


def pulses(op: Operation) -> int:
    """How many microwave pulses a gate on one qubit takes."""
    return 0 if op.name in VIRTUAL else 1 if op.name in SINGLE else 2


def duration(op: Operation, device: Device) -> float:
    """Length of a gate in ns.

    Raises:
        ValueError: a two-qubit gate that the device does not have.
    """
    if len(op.wires) == 1:
        return pulses(op) * device.pulse_ns
    a, b = map(int, op.wires)
    if op.name != "CNOT" or abs(a - b) != 1:
        raise ValueError(f"{op.name} on {a} and {b}: the device has CNOTs of neighbours only")
    return device.cnot_ns[min(a, b)]


def makespan(timed: Sequence[Timed]) -> float:
    """When the last gate ends, ns."""
    return max((t.end for t in timed), default=0.0)


def schedule(ops: Iterable[Operation], device: Device, order: Order = "early") -> list[Timed]:
    """Give every gate its time.

    Args:
        ops: gates in an order that is right on every wire; wires are the device's 0 .. N-1.
        device: how long gates take.
        order: see the module.

    Returns:
        Sorted by time; on every wire in the order of `ops`, without overlap.

    Raises:
        ValueError: a gate that the device does not have.
    """
    ops = list(ops)
    if order == "early":
        return _sorted(_packed(ops, device))
    backwards = _packed(ops[::-1], device)
    end = makespan(backwards)
    late = [replace(t, start=end - t.end) for t in backwards][::-1]
    if order == "tight":
        late = _finished_early(late)
    return _sorted(late)


def _packed(ops: Sequence[Operation], device: Device) -> list[Timed]:
    """As soon as all its wires are free, one after the other."""
    free: dict[int, float] = {}
    timed = []
    for op in ops:
        t = Timed(op, max(free.get(w, 0.0) for w in op.wires), duration(op, device))
        timed.append(t)
        free.update(dict.fromkeys(op.wires, t.end))
    return timed


def _finished_early(timed: list[Timed]) -> list[Timed]:
    """Move the gates after each wire's last two-qubit gate directly behind it."""
    last = {w: i for i, t in enumerate(timed) if len(t.op.wires) > 1 for w in t.op.wires}
    free = {w: timed[i].end for w, i in last.items()}
    moved = []
    for i, t in enumerate(timed):
        w = t.op.wires[0]
        if w in last and i > last[w]:
            t = replace(t, start=free[w])
            free[w] = t.end
        moved.append(t)
    return moved


def _sorted(timed: list[Timed]) -> list[Timed]:
    """By time; the sort is stable, so gates of no length keep their places on the wire."""
    return sorted(timed, key=lambda t: t.start)


def decoupled(timed: Sequence[Timed], device: Device) -> list[Timed]:
    """Fill waits with pairs of X pulses, which turn slow phases back (and are 1 together).

    A wait between two gates, or before the readout, gets two pulses at 1/4 and 3/4 of it, or on
    odd wires four at 1/8, 3/8, 5/8 and 7/8. So a constant detuning cancels on each qubit, and the
    coupling of two neighbours that wait together cancels too: their signs are two orthogonal
    Walsh functions (Tripathi et al., Physical Review Applied 18, 024068, 2022; Evert et al.,
    arXiv:2403.07836, 2024). Waits too short for the pulses to cover at most half stay empty.
    """
    end = makespan(timed)
    added: list[Timed] = []
    for wire in sorted({w for t in timed for w in t.op.wires}):
        real = [t for t in timed if wire in t.op.wires and t.ns > 0]
        starts = [*(t.start for t in real[1:]), end][: len(real)]
        count = 2 if wire % 2 == 0 else 4
        for before, start in zip(real, starts, strict=True):
            wait = start - before.end
            if wait < 2 * count * device.pulse_ns:
                continue
            for i in range(count):
                middle = before.end + wait * (2 * i + 1) / (2 * count)
                added.append(Timed(qml.PauliX(wire), middle - device.pulse_ns / 2, device.pulse_ns))
    return _sorted([*timed, *added])
