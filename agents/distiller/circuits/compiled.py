"""The exact circuits for numpy arrays, compiled: what inference and, for L = 2, training run.

One sample of a circuit with n = 8 and L = 2 takes some 0.03 us on one core, where `closed_form` in
eager torch takes 1 us. What the kernels need of the weights is kept for as long as these do not
change. Importing this imports numba: only those who run a circuit should.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.distiller.circuits.bonds import Step, bonds
from agents.distiller.circuits.contraction import coefficients, rotations
from agents.distiller.circuits.kernels.any_depth import any_depth
from agents.distiller.circuits.kernels.two_layers import two_layers, two_layers_gradient

Array = NDArray[Any]


def entangled(q: Array, k: Array, w: Array) -> Array:
    """<Z_i> of P circuits for B samples each.

    Args:
        q: query angles in radians, (B, P, n), n >= 2, float32 or float64; accurate up to some
            10^4 radians.
        k: key angles in radians, shape and type of `q`.
        w: trained angles in radians, (P, L, n, 2) with L = 1 to 4.

    Returns:
        z in [-1, 1], shape and type of `q`.

    Raises:
        ValueError: shapes or types that do not go together, or too many layers.
    """
    if (
        q.ndim != 3 or q.shape != k.shape or q.shape[2] < 2
        or w.ndim != 4 or (w.shape[0], *w.shape[2:]) != (*q.shape[1:], 2)
    ):  # fmt: skip
        raise ValueError(
            "expected q and k of shape (B, P, n) with n >= 2 and w of shape (P, L, n, 2), got"
            f" {q.shape}, {k.shape} and {w.shape}"
        )
    if q.dtype != k.dtype or q.dtype.char not in "fd":
        raise ValueError(f"expected float32 or float64 twice, got {q.dtype} and {k.dtype}")
    if w.shape[1] == 2:
        return two_layer(q, k, _frozen_constants(w.tobytes(), w.shape, w.dtype, q.dtype))
    z = np.empty(q.shape, q.dtype)
    frozen = _frozen_steps(w.tobytes(), w.shape, w.dtype, q.dtype)
    any_depth(_plain(q), _plain(k), *frozen, z)
    return z


def two_layer(q: Array, k: Array, constants: Array) -> Array:
    """`entangled` for L = 2 with the weights as `two_layer_constants`, (P, n + 1, 7)."""
    z = np.empty(q.shape, q.dtype)
    two_layers(_plain(q), _plain(k), _plain(constants), z)
    return z


def two_layer_gradient(
    q: Array, k: Array, constants: Array, dz: Array
) -> tuple[Array, Array, Array]:
    """The gradients for the arguments of `two_layer`, of that for its result (B, P, n)."""
    dq, dk, d_constants = (np.empty(x.shape, x.dtype) for x in (q, k, constants))
    given = _plain(q), _plain(k), _plain(constants), _plain(dz)
    two_layers_gradient(*given, dq, dk, d_constants)
    return dq, dk, d_constants


def two_layer_constants(w: Tensor) -> Tensor:
    """What the two-layer kernels need of weights: (P, 2, n, 2) to (P, n + 1, 7).

    Per qubit cos theta, -sin theta, the axis that RZ(phi) RY(theta) reads as X, cos theta' and
    -sin theta'; behind the last, the axis X. See `closed_form`. Differentiable.
    """
    theta, phi, last = w[:, 0, :, 0], w[:, 0, :, 1], w[:, 1, :, 0]
    cosine, sine = theta.cos(), theta.sin()
    axis = (phi.cos() * cosine, -phi.sin(), phi.cos() * sine)
    constants = torch.stack((cosine, -sine, *axis, last.cos(), -last.sin()), dim=-1)
    end = torch.zeros_like(constants[:, :1])
    end[:, :, 2] = 1
    return torch.cat((constants, end), dim=1)


def warm_up(layers: int = 2, *, training: bool = False, double: bool = False) -> None:
    """Compile the kernels, or load them from the cache, ahead of the first record.

    The first time on a machine it takes some 3 s a kernel, then 0.4 s for all. The cache is
    NUMBA_CACHE_DIR where that is set, else the `__pycache__` of the kernels, else, where that is
    read-only, the user's cache folder; without any of them every process compiles.

    Args:
        layers: of the circuits that will run.
        training: also what gradients need (L = 2).
        double: for float64, not float32.
    """
    real = np.float64 if double else np.float32
    q = np.zeros((1, 1, 2), real)
    entangled(q, q, np.zeros((1, layers, 2, 2), real))
    if training and layers == 2:
        constants = two_layer_constants(torch.zeros(1, 2, 2, 2)).numpy().astype(real)
        two_layer_gradient(q, q, constants, q)


# By the bytes of the weights: finding them again takes 2 us, comparing tensors' identities would
# miss changes in place.
@lru_cache(maxsize=16)
def _frozen_constants(
    w: bytes, shape: tuple[int, ...], given: np.dtype[Any], wanted: np.dtype[Any]
) -> Array:
    return _plain(two_layer_constants(_restored(w, shape, given)).numpy().astype(wanted))


@lru_cache(maxsize=16)
def _frozen_steps(
    w: bytes, shape: tuple[int, ...], given: np.dtype[Any], wanted: np.dtype[Any]
) -> tuple[Array, Array, Array, Array, Array]:
    """`ends`, `bounds`, `lifts`, `terms` and `values` of `any_depth`."""
    turns = rotations(_restored(w, shape, given))
    structure = bonds(shape[1])
    steps = (structure.rightwards, structure.leftwards, structure.measured)
    lifts, terms = zip(*map(_lifts_and_terms, steps), strict=True)
    begin_lifts, begin_terms = (
        np.cumsum([0, *(x.shape[1] for x in parts)]) for parts in (lifts, terms)
    )
    bounds = np.stack((begin_lifts[:-1], begin_lifts[1:], begin_terms[:-1], begin_terms[1:]), 1)
    values = np.concatenate([coefficients(step, turns).numpy() for step in steps], axis=2)
    ends = np.stack((structure.left_end, structure.right_end))
    return (
        _plain(ends.astype(wanted)),
        bounds,
        np.concatenate(lifts, axis=1),
        np.concatenate(terms, axis=1),
        _plain(values.astype(wanted)),
    )


def _lifts_and_terms(step: Step) -> tuple[Array, Array]:
    """Each product of Bloch component and state that occurs, once, and who reads it."""
    found, lift = np.unique(step.pauli * step.states + step.source, return_inverse=True)
    return np.stack(np.divmod(found, step.states)), np.stack((lift, step.target))


def _restored(w: bytes, shape: tuple[int, ...], given: np.dtype[Any]) -> Tensor:
    """In float64, whatever is computed with them later."""
    return torch.from_numpy(np.frombuffer(w, given).reshape(shape).astype(np.float64))


def _plain(x: Array) -> Array:
    """Contiguous, aligned and writeable: for anything else numba would compile once more."""
    return x if x.flags.carray else np.require(x, requirements=("C", "A", "W"))
