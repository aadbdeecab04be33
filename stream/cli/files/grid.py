"""Thermal grids as NumPy writes them."""

import io

import numpy as np

from schemas.observation import Thermal
from stream.cli.files.errors import FileProblem


def read_npy(data: bytes) -> Thermal:
    """The grid in a .npy file, degrees C; pickled objects are refused, for they can run code.

    Raises:
        FileProblem: it is damaged, no plain numbers, or not two-dimensional.
    """
    try:
        grid = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise FileProblem(f"not a readable .npy file: {error}") from error
    if not np.issubdtype(grid.dtype, np.number) or np.iscomplexobj(grid) or grid.ndim != 2:
        raise FileProblem(
            f"a thermal grid is two-dimensional and of real numbers, this is {grid.dtype}"
            f" of shape {grid.shape}"
        )
    with np.errstate(over="ignore"):  # beyond float32 becomes infinity, which Thermal refuses
        return Thermal(grid.astype(np.float32))
