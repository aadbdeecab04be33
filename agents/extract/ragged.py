"""Arrays of different lengths as one, so that a kernel can run over a batch of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


def end_to_end(
    arrays: Sequence[NDArray[Any]], dtype: DTypeLike
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Lays N arrays one behind the other.

    Returns:
        All their values, shape (sum of sizes,), of type `dtype`; and where each begins, followed by
        where the last ends, shape (N + 1,).
    """
    ends = np.zeros(len(arrays) + 1, np.int64)
    np.cumsum([array.size for array in arrays], out=ends[1:])
    # Kernels are compiled for one type: whatever a caller in this process hands over becomes that.
    flat = np.concatenate([array.ravel() for array in arrays], dtype=dtype, casting="unsafe")
    return flat, ends
