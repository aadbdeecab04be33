"""The frontier: only what is finished without a gap may be committed."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.kafka.frontier import Frontier
from stream.kafka.record import TopicPartition

A, B = TopicPartition("a", 0), TopicPartition("b", 3)


@given(
    offsets=st.sets(st.integers(0, 60), min_size=1).map(sorted),
    order=st.randoms(use_true_random=False),
)
def test_the_next_offset_is_behind_the_finished_prefix(offsets: list[int], order) -> None:  # type: ignore[no-untyped-def]
    frontier, unfinished = Frontier(), list(offsets)
    frontier.deliver(A, offsets)
    shuffled = list(offsets)
    order.shuffle(shuffled)
    for offset in shuffled:
        frontier.finish(A, [offset])
        unfinished.remove(offset)
        prefix = [o for o in offsets if not unfinished or o < unfinished[0]]
        assert frontier.next_offset(A) == (prefix[-1] + 1 if prefix else None)
        assert frontier.oldest_unfinished(A) == (unfinished[0] if unfinished else None)
        assert frontier.unfinished == len(unfinished)


def test_only_what_is_not_committed_is_committable() -> None:
    frontier = Frontier()
    frontier.deliver(A, [3, 7])
    frontier.deliver(B, [0])
    frontier.finish(A, [3])
    frontier.finish(B, [0])
    assert frontier.committable() == {A: 4, B: 1}
    frontier.committed({A: 4})
    assert frontier.committable() == {B: 1}
    frontier.finish(A, [7])
    assert frontier.committable() == {A: 8, B: 1}


def test_records_come_in_the_order_of_their_offsets() -> None:
    frontier = Frontier()
    frontier.deliver(A, [5, 9])
    frontier.finish(A, [5, 9])
    with pytest.raises(ValueError, match="came after"):
        frontier.deliver(A, [9])


def test_partitions_that_are_gone_are_forgotten() -> None:
    frontier = Frontier()
    frontier.deliver(A, [1])
    frontier.drop([A, B])
    frontier.finish(A, [1])
    assert frontier.committable() == {}
    frontier.deliver(A, [0])  # from the beginning again


def test_a_hundred_thousand_records_a_second() -> None:
    frontier, batch = Frontier(), 100
    began = time.perf_counter()
    for start in range(0, 200_000, batch):
        frontier.deliver(A, range(start, start + batch))
        frontier.finish(A, reversed(range(start, start + batch)))
    assert time.perf_counter() - began < 2
    assert frontier.next_offset(A) == 200_000
