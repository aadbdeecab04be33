"""<Z_i> of the two-layer circuit, exactly, without a state vector: O(n) per sample.

In the Heisenberg picture Z_i behind two CNOT ladders spreads over all qubits before it, but as a
product that a scan along the qubits contracts (its bond dimension is 6 for L = 2). The trained
layers are `RY(theta) RZ(phi)` and `RY(theta') RZ(phi')`; phi' only turns about the axis that is
measured and never matters. Undoing the last RY splits the answer in two,

    <Z_i> = cos(theta'_i) f1_i - sin(theta'_i) f2_i,

where f1_i comes from Z_0 ... Z_i (the scan) and f2_i from X_i X_i+1 ... X_n-1, which the ladder
folds back to a few neighbours (a product form). Source: house plan, section 7; held to PennyLane's
default.qubit in float64 by the tests, values and gradients.

Everything broadcasts over leading dimensions (batch, pairs) and is differentiable by autograd.
"""

import torch
from torch import Tensor


def entangled(q: Tensor, k: Tensor, w: Tensor) -> Tensor:
    """<Z_i> of the circuit of `reference.pair_circuit` with L = 2.

    Args:
        q: query angles in radians, shape (..., n), n >= 2.
        k: key angles in radians, shape (..., n).
        w: trained angles in radians, shape (..., 2, n, 2), no more leading dimensions than `q`.

    Returns:
        z in [-1, 1], shape (..., n).

    Raises:
        ValueError: `w` is not a two-layer weight for the n of `q`.
    """
    _check(q, w)
    # Qubits first, (n, ...): the scan then reads contiguous memory.
    w = w[(None,) * (q.ndim + 2 - w.ndim)].movedim((-3, -2, -1), (0, 1, 2))
    x, y, z = _bloch(q.movedim(-1, 0), k.movedim(-1, 0))
    theta, phi, theta_last = w[0, :, 0], w[0, :, 1], w[1, :, 0]
    f1 = _z_string(x, y, z, theta)
    f2 = _x_string(x, y, z, theta, phi)
    return (theta_last.cos() * f1 - theta_last.sin() * f2).movedim(0, -1)


def unentangled(q: Tensor, k: Tensor, w: Tensor) -> Tensor:
    """<Z_i> of the same circuit without its CNOTs: each qubit turns on its own.

    Args, returns and errors: as `entangled`.
    """
    _check(q, w)
    x, y, z = _bloch(q, k)
    theta, phi, theta_last = w[..., 0, :, 0], w[..., 0, :, 1], w[..., 1, :, 0]
    x, z = theta.cos() * x + theta.sin() * z, theta.cos() * z - theta.sin() * x  # RY(theta)
    x = phi.cos() * x - phi.sin() * y  # RZ(phi)
    return theta_last.cos() * z - theta_last.sin() * x  # z of RY(theta')


def _check(q: Tensor, w: Tensor) -> None:
    n = q.shape[-1]
    if n < 2 or w.shape[-3:] != (2, n, 2):
        raise ValueError(f"expected w of shape (..., 2, {n}, 2) and n >= 2, got {tuple(w.shape)}")


def _bloch(q: Tensor, k: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Bloch vector of RZ(k) RY(q) |0>."""
    return q.sin() * k.cos(), q.sin() * k.sin(), q.cos()


def _z_string(x: Tensor, y: Tensor, z: Tensor, theta: Tensor) -> Tensor:
    """f1: the scan, shape (n, ...). `s_ab` are the four contracted prefixes."""
    n = len(x)
    c, v = theta.cos(), -theta.sin()
    one = torch.ones_like(x[0])
    s00, s01, s10, s11 = one, one, torch.zeros_like(one), torch.zeros_like(one)
    f1 = []
    for i in range(n):
        s00, s01, s10, s11 = (
            c[i] * (z[i] * s01 - y[i] * s11),
            c[i] * (s00 + x[i] * s10),
            v[i] * (x[i] * s00 + s10),
            v[i] * (y[i] * s01 + z[i] * s11),
        )
        f1.append(s00 + (x[i + 1] if i + 1 < n else one) * s10)
    return torch.stack(f1)


def _x_string(x: Tensor, y: Tensor, z: Tensor, theta: Tensor, phi: Tensor) -> Tensor:
    """f2: the product form, shape (n, ...). `rx, ry, rz` is the axis that RZ(phi) RY(theta) reads
    as X; suffixes 1 and 2 are the next qubits, with x = 1 and nothing else beyond the last."""
    rx, ry, rz = phi.cos() * theta.cos(), -phi.sin(), phi.cos() * theta.sin()
    one = torch.ones_like(x[:1])
    p = [one[0]]  # p[i] = z_0 ... z_i-1
    for z_i in z[:-1]:
        p.append(p[-1] * z_i)
    before = torch.stack(p)
    through = before * z

    x1, y1, z1 = x[1:], y[1:], z[1:]
    x2 = torch.cat((x[2:], one))
    rx1, ry1, rz1 = rx[1:], ry[1:], rz[1:]
    a = rx1 * x2
    d = ry1 * z1 * x2 - rz1 * y1
    qy = (before * y)[:-1]
    inner = (
        rx[:-1] * (x[:-1] * a + qy * d)
        + ry[:-1] * (qy * a - x[:-1] * d)
        + rz[:-1] * (through[:-1] * a * x1 + ry1 * y1 * x2 + rz1 * z1)
    )
    last = rx[-1:] * x[-1:] + before[-1:] * (ry[-1:] * y[-1:] + rz[-1:] * z[-1:])
    return torch.cat((inner, last))
