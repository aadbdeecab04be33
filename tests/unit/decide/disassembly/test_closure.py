"""The maximum-weight closure, by hand and against all closed sets."""

from itertools import chain, combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.decide.disassembly.closure import maximum_weight_closure

Graph = tuple[dict[str, int], dict[str, list[str]]]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Up to eight parts, each after some of those drawn before it; light, so that ties abound."""
    names = draw(st.permutations("abcdefgh"))[: draw(st.integers(0, 8))]
    weights = {name: draw(st.integers(-4, 4)) for name in names}
    after = {
        name: draw(st.lists(st.sampled_from(names[:place]), unique=True)) if place else []
        for place, name in enumerate(names)
    }
    return weights, after


def ways(after: dict[str, list[str]]) -> dict[str, set[str]]:
    """All that comes before each part; `after` lists parts behind those that they come after."""
    found: dict[str, set[str]] = {}
    for name, before in after.items():
        found[name] = set(before).union(*(found[other] for other in before))
    return found


def closed_sets(weights: dict[str, int], after: dict[str, list[str]]) -> list[frozenset[str]]:
    sizes = range(len(weights) + 1)
    found = chain.from_iterable(combinations(weights, size) for size in sizes)
    return [frozenset(s) for s in found if all(set(after[name]) <= set(s) for name in s)]


@settings(max_examples=200, deadline=None)
@given(graphs())
def test_it_is_the_smallest_of_the_heaviest_closed_sets(graph: Graph) -> None:
    weights, after = graph
    weight = {s: sum(weights[name] for name in s) for s in closed_sets(weights, after)}
    best = [s for s in weight if weight[s] == max(weight.values())]
    size = min(len(s) for s in best)
    assert [s for s in best if len(s) == size] == [maximum_weight_closure(weights, ways(after))]


@pytest.mark.parametrize(
    ("weights", "after", "closure"),
    [
        ({}, {}, ""),
        ({"a": 1}, {"a": []}, "a"),
        ({"a": -1, "b": 3}, {"a": [], "b": ["a"]}, "ab"),
        ({"a": -3, "b": 3}, {"a": [], "b": ["a"]}, ""),  # for nothing
        ({"a": -3, "b": 2, "c": 2}, {"a": [], "b": ["a"], "c": ["a"]}, "ab c"),  # they share
        ({"a": 5, "b": -1, "c": 0}, {"a": [], "b": ["a"], "c": ["a"]}, "a"),
        ({"b": 3}, {"a": [], "b": ["a"]}, "b"),  # `a` is off already
    ],
)
def test_by_hand(weights: dict[str, int], after: dict[str, list[str]], closure: str) -> None:
    assert maximum_weight_closure(weights, ways(after)) == set(closure) - {" "}
