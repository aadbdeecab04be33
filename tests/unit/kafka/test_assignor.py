"""The sticky assignor: everything is assigned, evenly, and what need not move stays."""

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.record import TopicPartition
from stream.kafka.assignor import Claim, Homes, StickyAssignor, share

COUNTS = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 9), max_size=6)
MEMBERS = st.sets(st.sampled_from(["m1", "m2", "m3", "m4"]), min_size=1)


def divide(
    counts: dict[str, int], owned: dict[str, set[TopicPartition]]
) -> dict[str, set[TopicPartition]]:
    return share(counts, {member: Claim(member, frozenset(tps)) for member, tps in owned.items()})


@settings(max_examples=300)
@given(counts=COUNTS, generations=st.lists(MEMBERS, min_size=1, max_size=6))
def test_shares_are_complete_even_and_stable(
    counts: dict[str, int], generations: list[set[str]]
) -> None:
    owned: dict[str, set[TopicPartition]] = {}
    everything = {TopicPartition(topic, n) for topic, count in counts.items() for n in range(count)}
    for members in generations:
        owned = divide(counts, {member: owned.get(member, set()) for member in members})
        assert set().union(*owned.values()) == everything
        assert sum(map(len, owned.values())) == len(everything)
        for topic in counts:
            assert spread([sum(tp.topic == topic for tp in tps) for tps in owned.values()]) <= 1
        assert divide(counts, owned) == owned


@given(homes=st.integers(1, 12), before=MEMBERS, after=MEMBERS)
def test_no_more_homes_move_than_must(homes: int, before: set[str], after: set[str]) -> None:
    owned = divide({"features": homes}, {member: set() for member in before})
    shares = divide({"features": homes}, {m: owned.get(m, set()) for m in after})
    kept = sum(len(shares[member] & owned[member]) for member in before & after)
    # The best that any even division can do: each survivor keeps all up to its share.
    base, extras = divmod(homes, len(after))
    had = sorted((len(owned[member]) for member in before & after), reverse=True)
    best = sum(min(n, base + (rank < extras)) for rank, n in enumerate(had))
    assert kept == best


@given(steps=st.lists(MEMBERS, min_size=1, max_size=6))
def test_inputs_are_where_the_homes_are(steps: list[set[str]]) -> None:
    homes: dict[str, set[TopicPartition]] = {}
    inputs: dict[str, set[TopicPartition]] = {}
    for members in steps:
        homes = divide({"features": 6}, {m: homes.get(m, set()) for m in members})
        claims = {
            m: Claim(m, frozenset(inputs.get(m, ())), Homes(numbers(homes[m]), 6)) for m in members
        }
        inputs = share({"visual": 6, "text": 6, "thermal": 4}, claims)
        for member in members:
            for topic in ("visual", "text"):
                mine = {tp for tp in inputs[member] if tp.topic == topic}
                assert numbers(mine) == numbers(homes[member])


def test_three_workers_and_back() -> None:
    one = divide({"features": 6}, {"a": set()})
    three = divide({"features": 6}, {"a": one["a"], "b": set(), "c": set()})
    two = divide({"features": 6}, {"a": three["a"], "c": three["c"]})
    assert three["a"] < one["a"]
    assert three["a"] < two["a"]
    assert three["c"] < two["c"]


def test_who_missed_a_generation_has_lost_what_it_had() -> None:
    class Cluster:
        def partitions_for_topic(self, topic: str) -> set[int]:
            return {0, 1}

    one, two, leader = (StickyAssignor(worker=name) for name in "123")
    first = leader.assign(Cluster(), {"one": one.metadata(["t"])})
    one.on_assignment(first["one"])  # and then it freezes
    second = leader.assign(Cluster(), {"two": two.metadata(["t"])})
    two.on_assignment(second["two"])
    third = leader.assign(Cluster(), {"two": two.metadata(["t"])})
    two.on_assignment(third["two"])
    both = leader.assign(Cluster(), {"one": one.metadata(["t"]), "two": two.metadata(["t"])})
    two.on_assignment(both["two"])
    assert [len(both[m].partitions()) for m in ("one", "two")] == [1, 1]
    assert both["two"].partitions()[0] in third["two"].partitions()


def spread(numbers: list[int]) -> int:
    return max(numbers) - min(numbers)


def numbers(tps: set[TopicPartition]) -> frozenset[int]:
    return frozenset(tp.partition for tp in tps)
