"""Who computes the circuits: the exact form, or any PennyLane device, simulated or real."""

from collections.abc import Callable

from torch import Tensor

from schemas.errors import RegradeError

Readout = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From angles q, k (..., P, n) and weights (P, L, n, 2) in radians to z (..., P, n)."""

EXACT = "exact"


class BackendError(RegradeError):
    """There is no such device here, or it cannot do what it was asked; says what to do."""


def backend(device: str = EXACT, shots: int | None = None) -> Readout:
    """What to give the model for its readouts.

    Args:
        device: "exact", or the name of a PennyLane device: default.qubit, lightning.qubit,
            default.mixed, or one of an installed plugin. What a plugin needs beyond the number of
            wires (a backend, credentials) it reads from PennyLane's own configuration file.
        shots: how often each circuit is measured; None computes expectations, where the device can.

    Returns:
        A callable of (q, k, w), differentiable where the device is.

    Raises:
        BackendError: PennyLane knows no such device, or shots are not for it.
    """
    if shots is not None and shots < 1:
        raise BackendError(f"{shots} shots are no measurement; take 1 or more, or none at all")
    if device != EXACT:
        from agents.distiller.circuits.devices import Device  # PennyLane takes seconds to import

        return Device(device, shots)
    if shots is not None:
        raise BackendError(
            f"the exact form takes no shots ({shots} given); leave them out, or take a device that"
            " samples, such as default.qubit"
        )
    from agents.distiller.circuits.exact import exact

    return exact
