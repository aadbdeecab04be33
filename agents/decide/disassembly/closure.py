"""The maximum-weight closure of a precedence graph, as a minimum cut.

J. C. Picard: Maximal Closure of a Graph and Applications to Combinatorial Problems. Management
Science 22 (1976), 1268-1272. The flow is Edmonds' and Karp's; a general library takes ten times as
long to build its graph as this takes in all for the dozen parts of a product.
"""

from collections import Counter
from collections.abc import Collection, Mapping


def maximum_weight_closure(
    weights: Mapping[str, int], after: Mapping[str, Collection[str]]
) -> frozenset[str]:
    """Returns the parts that together weigh the most, each with all that comes before it.

    Of several such sets the smallest; there is only one. Integers keep the flow exact.

    Args:
        weights: what each part brings; below zero what it costs.
        after: of each part those that must come before it. Ones without a weight are no obstacle.
    """
    # In units of 1 / (n + 1) of a weight, one of which each part costs: of equal sets the smallest
    # wins, and two smallest ones cannot be, as their intersection is as good. Above zero is what a
    # part can still pay for others, below zero what it still costs.
    left = {part: weight * (len(weights) + 1) - 1 for part, weight in weights.items()}
    before = {part: [b for b in after[part] if b in weights] for part in weights}
    paid: Counter[tuple[str, str]] = Counter()
    """What has flowed from a part to one that comes before it."""
    while True:
        reached: dict[str, str | None] = {part: None for part, value in left.items() if value > 0}
        queue = list(reached)
        for part in queue:
            if left[part] < 0:
                _pay(part, reached, left, before, paid)
                break
            onwards = before[part] + [p for (p, b), sum_ in paid.items() if b == part and sum_]
            for other in onwards:
                if other not in reached:
                    reached[other] = part
                    queue.append(other)
        else:
            return frozenset(reached)


def _pay(
    part: str,
    reached: Mapping[str, str | None],
    left: dict[str, int],
    before: Mapping[str, Collection[str]],
    paid: Counter[tuple[str, str]],
) -> None:
    """Pays for a part along the way on which it was reached, as much as that way takes."""
    way, payer = [], part
    while (previous := reached[payer]) is not None:
        way.append((previous, payer))
        payer = previous
    refunds = [paid[there, here] for here, there in way if there not in before[here]]
    amount = min(left[payer], -left[part], *refunds)
    left[payer] -= amount
    left[part] += amount
    for here, there in way:
        if there in before[here]:
            paid[here, there] += amount
        else:
            paid[there, here] -= amount
