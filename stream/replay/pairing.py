"""Which stays of a unit are the same ones, told by the observations that they share."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet


def pair(
    left: Sequence[AbstractSet[object]], right: Sequence[AbstractSet[object]]
) -> dict[int, int]:
    """Returns index -> index of the sets that belong together, each in one pair at most.

    The largest overlap comes first, of equals the first in order; sets that share nothing are not
    about the same stay.
    """
    overlaps = [
        (-len(shared), i, j)
        for i, one in enumerate(left)
        for j, other in enumerate(right)
        if (shared := one & other)
    ]
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for _, i, j in sorted(overlaps):
        if i not in pairs and j not in taken:
            pairs[i] = j
            taken.add(j)
    return pairs
