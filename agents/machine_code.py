"""The compiler's settings, for every kernel of the house.

numba's cache notices when the file of a kernel changes, but not when this one does: whoever edits
it must delete `__pycache__/*.nb?` beside the kernels.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

_F = TypeVar("_F", bound=Callable[..., Any])


def compiled(function: _F) -> _F:
    """Compile at the first call. Multiplications and additions may be fused, nothing else that
    changes numbers; other Python threads run meanwhile."""
    try:
        return cast(_F, njit(function, cache=True, nogil=True, fastmath={"contract"}))
    except RuntimeError:  # neither this folder, NUMBA_CACHE_DIR nor the user's cache is writable
        return cast(_F, njit(function, nogil=True, fastmath={"contract"}))
