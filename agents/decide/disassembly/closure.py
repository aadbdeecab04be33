"""The maximum-weight closure of a precedence graph, as a minimum cut.

J. C. Picard: Maximal Closure of a Graph and Applications to Combinatorial Problems. Management
Science 22 (1976), 1268-1272.
"""

from collections.abc import Collection, Mapping

import networkx as nx
from networkx.algorithms.flow import edmonds_karp

_SOURCE, _SINK = 0, 1
"""Numbers, since parts have names."""


def maximum_weight_closure(
    weights: Mapping[str, int], after: Mapping[str, Collection[str]]
) -> frozenset[str]:
    """The parts that together weigh the most, each with all that comes before it.

    Of several such sets the smallest; there is only one. Integers keep the flow exact.

    Args:
        weights: what each part brings; below zero what it costs.
        after: of each part those that must come before it. Ones without a weight are no obstacle.
    """
    if all(weight <= 0 for weight in weights.values()):
        return frozenset()
    graph = nx.DiGraph()
    graph.add_nodes_from((_SOURCE, _SINK))
    for part, weight in weights.items():
        # In units of 1 / (n + 1) of a weight, one of which each part costs: of equal sets the
        # smallest wins, and two smallest ones cannot be, as their intersection is as good.
        capacity = weight * (len(weights) + 1) - 1
        if capacity > 0:
            graph.add_edge(_SOURCE, part, capacity=capacity)
        else:
            graph.add_edge(part, _SINK, capacity=-capacity)
        # Without a capacity, and so never cut.
        graph.add_edges_from((part, before) for before in after[part] if before in weights)
    # For so few parts the simplest flow is the quickest.
    _, (chosen, _) = nx.minimum_cut(graph, _SOURCE, _SINK, flow_func=edmonds_karp)
    return frozenset(chosen - {_SOURCE})
