"""Circuits with two layers, frozen or in training: `closed_form` and its gradient, compiled.

The gradient is `closed_form` differentiated by hand, in reverse; the tests hold it to autograd's.
"""

import numpy as np

from agents.distiller.circuits.kernels.machine import BLOCK, Array, compiled, sin_cos

# One array holds all of a block, at constant distances: LLVM then sees that rows do not overlap
# (of `at + _QUBIT`, that is; of `(i + 1) * _QUBIT` it does not, and the loop is not vectorised).
# Rows of a qubit: its Bloch vector, the four prefixes and the product of z that reach it, the
# result; the sines and cosines that gradients need; the gradients of the first eight, of the
# result and of the qubit's seven constants. The angles stand where prefixes are written later.
_ROWS = 28
_QUBIT = _ROWS * BLOCK
_X, _Y, _Z, _S00, _S01, _S10, _S11, _P, _F = (row * BLOCK for row in range(9))
_Q, _K = _S00, _S01
_SIN_Q, _COS_K, _SIN_K = (row * BLOCK for row in range(9, 12))
_DX, _DY, _DZ, _D00, _D01, _D10, _D11, _DP, _DF = (row * BLOCK for row in range(12, 21))
_DC, _DV, _DRX, _DRY, _DRZ, _DC_LAST, _DV_LAST = (row * BLOCK for row in range(21, 28))


@compiled
def two_layers(q: Array, k: Array, constants: Array, z: Array) -> None:
    """<Z_i> of circuits with L = 2.

    Args:
        q: (B, P, n), contiguous, float32 or float64 as everything here.
        k: (B, P, n), contiguous.
        constants: (P, n + 1, 7), per qubit cos theta, -sin theta, the axis rx, ry, rz and
            cos theta', -sin theta', see `closed_form`; the axis at n is 1, 0, 0.
        z: (B, P, n), written.
    """
    samples, circuits, n = q.shape
    a = np.empty((n + 2) * _QUBIT, q.dtype)
    for p in range(circuits):
        for start in range(0, samples, BLOCK):
            size = min(BLOCK, samples - start)
            _forward(a, q, k, constants, p, start, size)
            for j in range(size):
                for i in range(n):
                    z[start + j, p, i] = a[i * _QUBIT + _F + j]


@compiled
def two_layers_gradient(
    q: Array, k: Array, constants: Array, dz: Array, dq: Array, dk: Array, d_constants: Array
) -> None:
    """What `two_layers` hands back: the gradients for q, k and constants, of that for z.

    Args:
        q: as `two_layers`, and so are `k` and `constants`.
        dz: (B, P, n), contiguous.
        dq: (B, P, n), written.
        dk: (B, P, n), written.
        d_constants: (P, n + 1, 7), written; at n it means nothing.
    """
    samples, circuits, n = q.shape
    a = np.empty((n + 2) * _QUBIT, q.dtype)
    for p in range(circuits):
        for i in range(n + 1):
            _clear(a, i * _QUBIT + _DC, 7)
        for start in range(0, samples, BLOCK):
            size = min(BLOCK, samples - start)
            _forward(a, q, k, constants, p, start, size)
            for i in range(n + 2):
                _clear(a, i * _QUBIT + _DX, 8)
            for j in range(size):
                for i in range(n):
                    a[i * _QUBIT + _DF + j] = dz[start + j, p, i]
            _qubits_gradient(a, constants, p, n, size)
            _bloch_gradient(a, n, size)
            for j in range(size):
                for i in range(n):
                    dq[start + j, p, i] = a[i * _QUBIT + _Q + j]
                    dk[start + j, p, i] = a[i * _QUBIT + _K + j]
        for i in range(n + 1):
            for row in range(7):
                total = a.dtype.type(0)
                for j in range(BLOCK):
                    total += a[i * _QUBIT + _DC + row * BLOCK + j]
                d_constants[p, i, row] = total


@compiled
def _clear(a: Array, at: int, rows: int) -> None:
    for j in range(rows * BLOCK):
        a[at + j] = 0


@compiled
def _forward(a: Array, q: Array, k: Array, constants: Array, p: int, start: int, size: int) -> None:
    """All rows up to the results, for one block of one circuit."""
    n = q.shape[2]
    for j in range(size):
        for i in range(n):
            a[i * _QUBIT + _Q + j] = q[start + j, p, i]
            a[i * _QUBIT + _K + j] = k[start + j, p, i]
    for i in range(n):
        at = i * _QUBIT
        for j in range(size):
            sin_q, cos_q = sin_cos(a[at + _Q + j], a.dtype.type)
            sin_k, cos_k = sin_cos(a[at + _K + j], a.dtype.type)
            a[at + _SIN_Q + j], a[at + _COS_K + j], a[at + _SIN_K + j] = sin_q, cos_k, sin_k
            a[at + _X + j] = sin_q * cos_k
            a[at + _Y + j] = sin_q * sin_k
            a[at + _Z + j] = cos_q
    last, beyond = n * _QUBIT, (n + 1) * _QUBIT
    for j in range(size):
        a[last + _X + j] = a[beyond + _X + j] = 1
        a[last + _Y + j] = a[last + _Z + j] = 0
        a[_S00 + j] = a[_S01 + j] = a[_P + j] = 1
        a[_S10 + j] = a[_S11 + j] = 0
    _qubits(a, constants, p, n, size)


@compiled
def _qubits(a: Array, constants: Array, p: int, n: int, size: int) -> None:
    """The scan's step at one qubit, the product form, and the result."""
    for i in range(n):
        c, v, c_last = constants[p, i, 0], constants[p, i, 1], constants[p, i, 5]
        v_last = constants[p, i, 6]
        rx, ry, rz = constants[p, i, 2], constants[p, i, 3], constants[p, i, 4]
        rx1, ry1, rz1 = constants[p, i + 1, 2], constants[p, i + 1, 3], constants[p, i + 1, 4]
        at = i * _QUBIT
        at1 = at + _QUBIT
        at2 = at1 + _QUBIT
        for j in range(size):
            x, y, z = a[at + _X + j], a[at + _Y + j], a[at + _Z + j]
            x1, y1, z1, x2 = a[at1 + _X + j], a[at1 + _Y + j], a[at1 + _Z + j], a[at2 + _X + j]
            s00, s01 = a[at + _S00 + j], a[at + _S01 + j]
            s10, s11 = a[at + _S10 + j], a[at + _S11 + j]
            before = a[at + _P + j]
            through = before * z
            first = c * (z * s01 - y * s11)
            second = v * (x * s00 + s10)
            a[at1 + _S00 + j] = first
            a[at1 + _S01 + j] = c * (s00 + x * s10)
            a[at1 + _S10 + j] = second
            a[at1 + _S11 + j] = v * (y * s01 + z * s11)
            a[at1 + _P + j] = through
            e = rx1 * x2
            d = ry1 * z1 * x2 - rz1 * y1
            qy = before * y
            f1 = first + x1 * second
            f2 = (
                rx * (x * e + qy * d)
                + ry * (qy * e - x * d)
                + rz * (through * e * x1 + ry1 * y1 * x2 + rz1 * z1)
            )
            a[at + _F + j] = c_last * f1 + v_last * f2


@compiled
def _qubits_gradient(a: Array, constants: Array, p: int, n: int, size: int) -> None:
    """`_qubits` backwards; of each qubit the next ones' gradients lack only what it adds itself."""
    for back in range(n):
        i = max(n - 1 - back, 0)  # never less; so LLVM sees that no index is negative
        c, v, c_last = constants[p, i, 0], constants[p, i, 1], constants[p, i, 5]
        v_last = constants[p, i, 6]
        rx, ry, rz = constants[p, i, 2], constants[p, i, 3], constants[p, i, 4]
        rx1, ry1, rz1 = constants[p, i + 1, 2], constants[p, i + 1, 3], constants[p, i + 1, 4]
        at = i * _QUBIT
        at1 = at + _QUBIT
        at2 = at1 + _QUBIT
        for j in range(size):
            x, y, z = a[at + _X + j], a[at + _Y + j], a[at + _Z + j]
            x1, y1, z1, x2 = a[at1 + _X + j], a[at1 + _Y + j], a[at1 + _Z + j], a[at2 + _X + j]
            s00, s01 = a[at + _S00 + j], a[at + _S01 + j]
            s10, s11 = a[at + _S10 + j], a[at + _S11 + j]
            before, through = a[at + _P + j], a[at1 + _P + j]
            first, second = a[at1 + _S00 + j], a[at1 + _S10 + j]
            e = rx1 * x2
            d = ry1 * z1 * x2 - rz1 * y1
            qy = before * y
            f2x = x * e + qy * d
            f2y = qy * e - x * d
            f2z = through * e * x1 + ry1 * y1 * x2 + rz1 * z1

            df = a[at + _DF + j]
            a[at + _DC_LAST + j] += df * (first + x1 * second)
            a[at + _DV_LAST + j] += df * (rx * f2x + ry * f2y + rz * f2z)
            df1, df2 = c_last * df, v_last * df
            a[at + _DRX + j] += df2 * f2x
            a[at + _DRY + j] += df2 * f2y
            a[at + _DRZ + j] += df2 * f2z

            dfx, dfy, dfz = rx * df2, ry * df2, rz * df2
            de = dfx * x + dfy * qy + dfz * through * x1
            dd = dfx * qy - dfy * x
            dqy = dfx * d + dfy * e
            d_through = a[at1 + _DP + j] + dfz * e * x1
            a[at1 + _DRX + j] += de * x2
            a[at1 + _DRY + j] += (dfz * y1 + dd * z1) * x2
            a[at1 + _DRZ + j] += dfz * z1 - dd * y1
            a[at2 + _DX + j] += (dfz * y1 + dd * z1) * ry1 + de * rx1
            a[at1 + _DX + j] += dfz * through * e + df1 * second
            a[at1 + _DY + j] += dfz * ry1 * x2 - dd * rz1
            a[at1 + _DZ + j] += dfz * rz1 + dd * ry1 * x2

            d_first, d_second = a[at1 + _D00 + j] + df1, a[at1 + _D10 + j] + df1 * x1
            d01, d11 = a[at1 + _D01 + j], a[at1 + _D11 + j]
            a[at + _DC + j] += d_first * (z * s01 - y * s11) + d01 * (s00 + x * s10)
            a[at + _DV + j] += d_second * (x * s00 + s10) + d11 * (y * s01 + z * s11)
            d_first, d01, d_second, d11 = c * d_first, c * d01, v * d_second, v * d11
            a[at + _D00 + j] = d01 + d_second * x
            a[at + _D01 + j] = d_first * z + d11 * y
            a[at + _D10 + j] = d01 * x + d_second
            a[at + _D11 + j] = d11 * z - d_first * y
            a[at + _DP + j] = dqy * y + d_through * z
            a[at + _DX + j] += dfx * e - dfy * d + d01 * s10 + d_second * s00
            a[at + _DY + j] += dqy * before - d_first * s11 + d11 * s01
            a[at + _DZ + j] += d_through * before + d_first * s01 + d11 * s11


@compiled
def _bloch_gradient(a: Array, n: int, size: int) -> None:
    """The gradients of the angles, in the angles' rows."""
    for i in range(n):
        at = i * _QUBIT
        for j in range(size):
            dx, dy, dz = a[at + _DX + j], a[at + _DY + j], a[at + _DZ + j]
            turned = dx * a[at + _COS_K + j] + dy * a[at + _SIN_K + j]
            a[at + _Q + j] = a[at + _Z + j] * turned - a[at + _SIN_Q + j] * dz
            a[at + _K + j] = a[at + _X + j] * dy - a[at + _Y + j] * dx
