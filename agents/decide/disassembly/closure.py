"""The maximum-weight closure of a precedence graph, as a maximum flow.

J. C. Picard: Maximal Closure of a Graph and Applications to Combinatorial Problems. Management
Science 22 (1976), 1268-1272.
"""

from collections.abc import Collection, Mapping


def maximum_weight_closure(
    weights: Mapping[str, int], ways: Mapping[str, Collection[str]]
) -> frozenset[str]:
    """The parts that together weigh the most, each with all that comes before it.

    Parts that bring something pay for those on their ways that cost something. Whoever cannot
    spend it all brings more than all that it can reach costs, and is chosen with it. Of several
    such sets the smallest; there is only one. Integers keep the flow exact.

    Args:
        weights: what each part brings; below zero what it costs.
        ways: to each part all that must come before it. Ones without a weight are no obstacle.
    """
    # In units of 1 / (n + 1) of a weight, one of which each part costs: of equal sets the smallest
    # wins, and two smallest ones cannot be, as their intersection is as good.
    left = {part: weight * (len(weights) + 1) - 1 for part, weight in weights.items()}
    costly = {part for part, weight in left.items() if weight <= 0}
    paid: dict[str, dict[str, int]] = {part: {} for part in costly}
    """Of what costs something: who pays for it, and how much."""
    chosen: set[str] = set()
    for earner in left.keys() - costly:
        while left[earner]:
            # A shortest way along which money can go: to what costs, or to who pays less there.
            came = {earner: earner}
            reached = [earner]
            for part in reached:
                if left[part] < 0:
                    break
                for other in paid[part] if part in costly else costly.intersection(ways[part]):
                    if other not in came:
                        came[other] = part
                        reached.append(other)
            else:
                chosen.update(reached)
                break
            path = [part]
            while path[-1] != earner:
                path.append(came[path[-1]])
            back = [(cost, payer) for cost, payer in zip(path[2::2], path[1::2], strict=False)]
            amount = min(left[earner], -left[part], *(paid[c][p] for c, p in back))
            left[earner] -= amount
            left[part] += amount
            for cost, payer in zip(path[::2], path[1::2], strict=True):
                paid[cost][payer] = paid[cost].get(payer, 0) + amount
            for cost, payer in back:
                paid[cost][payer] -= amount
                if not paid[cost][payer]:
                    del paid[cost][payer]
    return frozenset(chosen)
