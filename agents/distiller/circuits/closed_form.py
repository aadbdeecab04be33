"""<Z_i> of the two-layer circuit, exactly, without a state vector: O(n) per sample.

In the Heisenberg picture Z_i behind two CNOT ladders spreads over all qubits before it, but as a
product that a scan along the qubits contracts (its bond dimension is 6 for L = 2). The trained
layers are `RY(theta) RZ(phi)` and `RY(theta') RZ(phi')`; phi' only turns about the axis that is
measured and never matters. Undoing the last RY splits the answer in two,

    <Z_i> = cos(theta'_i) f1_i - sin(theta'_i) f2_i,

where f1_i comes from Z_0 ... Z_i (the scan) and f2_i from X_i X_i+1 ... X_n-1, which the ladder
folds back to a few neighbours (a product form). Source: `agents/README.md`; held to PennyLane's
default.qubit in float64 by the tests, values and gradients. `contraction` does any depth.

Everything broadcasts over leading dimensions (batch, pairs) and is differentiable by autograd.
"""

import torch
from torch import Tensor

from agents.distiller.circuits.angles import arrange, bloch, check, qubits_first


def entangled(q: Tensor, k: Tensor, w: Tensor) -> Tensor:
    """<Z_i> of the circuit of `reference.pair_circuit` with L = 2.

    Args:
        q: query angles in radians, shape (..., n), n >= 2.
        k: key angles in radians, shape (..., n).
        w: trained angles in radians, shape (..., 2, n, 2); its leading dimensions are aligned with
            the last ones of `q`.

    Returns:
        z in [-1, 1], shape (..., n).

    Raises:
        ValueError: `w` is not a two-layer weight for the n of `q`.
    """
    check(q, w, layers=2)
    angles = arrange(q, k, w)
    x, y, z = bloch(*qubits_first(angles.q, angles.k))  # (n, P, B)
    w = angles.w.permute(1, 2, 3, 0).unsqueeze(-1)  # (2, n, 2, P, 1)
    theta, phi, theta_last = w[0, :, 0], w[0, :, 1], w[1, :, 0]
    f1 = _z_string(x, y, z, theta)
    f2 = _x_string(x, y, z, theta, phi)
    result = theta_last.cos() * f1 - theta_last.sin() * f2
    return result.permute(2, 1, 0).reshape(*angles.lead, q.shape[-1])


def unentangled(q: Tensor, k: Tensor, w: Tensor) -> Tensor:
    """<Z_i> of the circuit of any depth without its CNOTs: each qubit turns on its own.

    Args:
        q: query angles in radians, shape (..., n), n >= 2.
        k: key angles in radians, shape (..., n).
        w: trained angles in radians, shape (..., L, n, 2).

    Returns:
        z in [-1, 1], shape (..., n).

    Raises:
        ValueError: `w` is not a weight for the n of `q`.
    """
    check(q, w)
    x, y, z = bloch(q, k)
    for layer in w.unbind(-3):
        theta, phi = layer.unbind(-1)
        x, z = theta.cos() * x + theta.sin() * z, theta.cos() * z - theta.sin() * x  # RY(theta)
        x, y = phi.cos() * x - phi.sin() * y, phi.sin() * x + phi.cos() * y  # RZ(phi)
    return z


def _z_string(x: Tensor, y: Tensor, z: Tensor, theta: Tensor) -> Tensor:
    """f1: the scan, (n, P, B). `s_ab` are the four contracted prefixes."""
    c, v = theta.cos(), -theta.sin()
    one = torch.ones_like(x[0])
    s00, s01, s10, s11 = one, one, torch.zeros_like(one), torch.zeros_like(one)
    first, second = [], []
    # Products with the weights for all qubits at once: the scan is made of small steps, and what
    # they cost is their number.
    parts = (c, c * x, c * y, c * z, v, v * x, v * y, v * z)
    for c_i, cx, cy, cz, v_i, vx, vy, vz in zip(*(p.unbind() for p in parts), strict=True):
        s00, s01, s10, s11 = (
            cz * s01 - cy * s11,
            c_i * s00 + cx * s10,
            vx * s00 + v_i * s10,
            vy * s01 + vz * s11,
        )
        first.append(s00)
        second.append(s10)
    return torch.stack(first) + _next(x, 1) * torch.stack(second)


def _x_string(x: Tensor, y: Tensor, z: Tensor, theta: Tensor, phi: Tensor) -> Tensor:
    """f2: the product form, (n, P, B). `rx, ry, rz` is the axis that RZ(phi) RY(theta) reads as X;
    suffixes 1 and 2 are the next qubits. Beyond the last, x = rx = 1 and nothing else."""
    rx, ry, rz = phi.cos() * theta.cos(), -phi.sin(), phi.cos() * theta.sin()
    p = [torch.ones_like(z[0])]  # p[i] = z_0 ... z_i-1
    for z_i in z.unbind():
        p.append(p[-1] * z_i)
    products = torch.stack(p)
    before, through = products[:-1], products[1:]

    x1, y1, z1 = _next(x, 1), _next(y, 0), _next(z, 0)
    rx1, ry1, rz1 = _next(rx, 1), _next(ry, 0), _next(rz, 0)
    x2 = _next(x1, 1)
    a = rx1 * x2
    d = ry1 * z1 * x2 - rz1 * y1
    qy = before * y
    return (
        rx * (x * a + qy * d)
        + ry * (qy * a - x * d)
        + rz * (through * a * x1 + ry1 * y1 * x2 + rz1 * z1)
    )


def _next(t: Tensor, end: float) -> Tensor:
    """Of each qubit the next one's; `end` beyond the last."""
    return torch.cat((t[1:], torch.full_like(t[:1], end)))
