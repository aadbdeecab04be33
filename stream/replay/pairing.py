"""Which stays of a unit are the same ones, told by the observations that they share."""

from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Sequence


def pair(
    left: Sequence[Collection[Hashable]], right: Sequence[Collection[Hashable]]
) -> dict[int, int]:
    """Returns index -> index of what belongs together, each in one pair at most.

    The largest overlap comes first, of equals the first in order; what shares nothing is not about
    the same stay.
    """
    holders: dict[Hashable, list[int]] = defaultdict(list)
    for i, items in enumerate(left):
        for item in items:
            holders[item].append(i)
    shared = Counter(
        (i, j) for j, items in enumerate(right) for item in items for i in holders.get(item, ())
    )
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for i, j in sorted(shared, key=lambda both: (-shared[both], both)):
        if i not in pairs and j not in taken:
            pairs[i] = j
            taken.add(j)
    return pairs
