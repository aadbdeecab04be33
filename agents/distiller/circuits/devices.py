"""The circuit on PennyLane's devices. Importing this imports PennyLane."""

from typing import Any

import pennylane as qml
import torch
from pennylane.devices import device_constructor
from torch import Tensor

from agents.distiller.circuits.angles import arrange
from agents.distiller.circuits.backend import BackendError
from agents.distiller.circuits.reference import Node, node


class Device:
    """Runs circuits one after the other, all samples of one in one call.

    To a device that cannot broadcast PennyLane gives one execution a sample.

    Raises:
        BackendError: PennyLane knows no such device.
    """

    def __init__(self, name: str, shots: int | None = None) -> None:
        qml.refresh_devices()
        known = device_constructor.plugin_devices
        if name not in known:
            raise BackendError(
                f"no device {name!r}: PennyLane has {', '.join(sorted(known))} here; install the"
                " plugin that brings it, or take 'exact'"
            )
        self.name, self.shots = name, shots
        self._nodes: dict[int, Node] = {}

    def __call__(self, q: Tensor, k: Tensor, w: Tensor) -> Tensor:
        """As `circuits.entangled`, for any number of layers.

        Raises:
            ValueError: `w` is not a weight for the n of `q`.
            BackendError: the device cannot be set up for n qubits.
        """
        angles = arrange(q, k, w)
        samples, circuits, n = angles.q.shape
        if samples * circuits == 0:
            return torch.empty_like(angles.q).reshape(*angles.lead, n)
        given: tuple[Any, ...] = (angles.q, angles.k, angles.w)
        if not (torch.is_grad_enabled() and any(x.requires_grad for x in given)):
            # What passes through PennyLane's torch interface comes from some devices in float32.
            given = tuple(x.detach().cpu().numpy() for x in given)
        run, (q, k, w) = self._node(n), given
        by_circuit = []
        for p in range(circuits):
            found = run(q[:, p], k[:, p], w[p])
            by_circuit.append(torch.stack([torch.as_tensor(z) for z in found], dim=-1))
        return torch.stack(by_circuit, dim=1).to(angles.q).reshape(*angles.lead, n)

    def _node(self, n: int) -> Node:
        if n not in self._nodes:
            try:
                self._nodes[n] = node(self.name, n, shots=self.shots)
            except Exception as error:  # whatever a plugin raises
                raise BackendError(
                    f"the device {self.name!r} cannot be set up for {n} qubits: {error}"
                ) from error
        return self._nodes[n]
