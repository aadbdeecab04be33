"""The compiled circuits: whatever the arrays look like, and however often weights change."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from support.circuits import angles, assert_equal

from agents.distiller.circuits import compiled, entangled
from agents.distiller.circuits.exact import exact
from agents.distiller.circuits.kernels.machine import BLOCK

SIZES = [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 5]


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("samples", SIZES)
def test_blocks_of_any_size(samples: int, layers: int) -> None:
    q, k, w = angles(samples, 3, n=5, layers=layers, circuits=(3,))
    found = compiled.entangled(q.numpy(), k.numpy(), w.numpy())
    assert_equal(torch.from_numpy(found), entangled(q, k, w))


@pytest.mark.parametrize("samples", SIZES)
@pytest.mark.parametrize(("dtype", "atol"), [(torch.float64, 1e-10), (torch.float32, 1e-3)])
def test_gradients_of_blocks_of_any_size(samples: int, dtype: torch.dtype, atol: float) -> None:
    """Those for weights are sums over all samples, of which float32 keeps fewer digits."""
    given = [x.to(dtype).requires_grad_() for x in angles(samples, 2, n=6, circuits=(2,))]
    weight = angles(samples, 2, n=6, seed=1)[0].to(dtype)
    ours, theirs = (
        torch.autograd.grad((readout(*given) * weight).sum(), given)
        for readout in (exact, entangled)
    )
    assert all(gradient.dtype == dtype for gradient in ours)
    assert_equal(ours, theirs, atol)


def test_gradients_only_where_they_are_wanted() -> None:
    q, k, w = angles(3, 2, n=4, circuits=(2,))
    w.requires_grad_()
    frozen = exact(q, k, w.detach())
    assert not frozen.requires_grad
    with torch.no_grad():
        assert not exact(q, k, w).requires_grad
    z = exact(q, k, w)
    z.sum().backward()
    assert w.grad is not None
    assert q.grad is None
    assert_equal(z.detach(), frozen)


@pytest.mark.parametrize("layers", [2, 3])
def test_weights_that_change_in_place_are_noticed(layers: int) -> None:
    q, k, w = angles(3, 2, n=4, layers=layers, circuits=(2,))
    before = exact(q, k, w)
    assert_equal(exact(q, k, w), before)
    w += 0.5
    after = exact(q, k, w)
    assert_equal(after, entangled(q, k, w))
    assert (after - before).abs().max() > 0.01


@pytest.mark.parametrize("layers", [2, 3])
def test_arrays_in_any_order_and_read_only(layers: int) -> None:
    q, k, w = (x.numpy() for x in angles(6, 2, n=4, layers=layers, circuits=(2,)))
    wanted = compiled.entangled(q, k, w)
    read_only = q.copy()
    read_only.flags.writeable = False
    for other in (np.asfortranarray(q), np.repeat(q, 2, axis=0)[::2], read_only):
        found = compiled.entangled(other, k, np.asfortranarray(w))
        np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(compiled.entangled(q[::-1], k[::-1], w), wanted[::-1])


def test_arguments_stay_as_they_are() -> None:
    given = [x.numpy() for x in angles(6, 2, n=4, circuits=(2,))]
    copies = [x.copy() for x in given]
    compiled.entangled(*given)
    constants = compiled.two_layer_constants(torch.from_numpy(given[2])).numpy()
    compiled.two_layer_gradient(given[0], given[1], constants, given[0])
    for x, copy in zip(given, copies, strict=True):
        np.testing.assert_array_equal(x, copy)


F, D = np.float32, np.float64


@pytest.mark.parametrize(
    ("q", "k", "w", "message"),
    [
        (((4, 3, 8), D), ((4, 3, 8), D), ((2, 2, 8, 2), D), "expected q and k of shape"),
        (((4, 3, 8), D), ((4, 3, 7), D), ((3, 2, 8, 2), D), "expected q and k of shape"),
        (((4, 3, 8), D), ((4, 3, 8), D), ((3, 2, 7, 2), D), "expected q and k of shape"),
        (((4, 3, 8), D), ((4, 3, 8), D), ((2, 8, 2), D), "expected q and k of shape"),
        (((3, 8), D), ((3, 8), D), ((3, 2, 8, 2), D), "expected q and k of shape"),
        (((4, 3, 1), D), ((4, 3, 1), D), ((3, 2, 1, 2), D), "n >= 2"),
        (((4, 3, 8), D), ((4, 3, 8), F), ((3, 2, 8, 2), D), "float32 or float64 twice"),
        (((4, 3, 8), np.float16), ((4, 3, 8), np.float16), ((3, 2, 8, 2), D), "float32 or float64"),
        (((4, 3, 8), D), ((4, 3, 8), D), ((3, 5, 8, 2), D), "5 layers"),
    ],
)
def test_what_does_not_go_together_is_refused(q, k, w, message) -> None:
    with pytest.raises(ValueError, match=message):
        compiled.entangled(*(np.zeros(shape, dtype) for shape, dtype in (q, k, w)))


def test_half_precision_is_left_to_torch() -> None:
    q, k, w = (x.bfloat16() for x in angles(3, n=4))
    assert exact(q, k, w).dtype == torch.bfloat16


def test_compiles_where_no_cache_is_writable() -> None:
    """As in a container whose file system is read-only."""
    code = (
        "import numpy as np; from agents.distiller.circuits.kernels.machine import sin_cos;"
        "sine, cosine = sin_cos(1.0, np.float64);"
        "assert abs(sine - np.sin(1.0)) < 1e-15 and abs(cosine - np.cos(1.0)) < 1e-15;"
        "assert not sin_cos.stats.cache_path"
    )
    environment = os.environ | {
        "NUMBA_CACHE_LOCATOR_CLASSES": "UserProvidedCacheLocator",
        "NUMBA_CACHE_DIR": "/proc/none",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
