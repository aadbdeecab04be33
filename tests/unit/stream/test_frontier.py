"""Only the contiguous prefix of finished records may be committed."""

from hypothesis import given
from hypothesis import strategies as st

from stream.pipeline.frontier import Frontier
from stream.pipeline.record import Record, TopicPartition

TP = TopicPartition("units.visual", 3)


def record(offset: int, topic: str = "units.visual", partition: int = 3) -> Record:
    return Record(topic, partition, offset, 0, b"k", b"v")


def test_nothing_delivered_is_nothing_to_commit() -> None:
    assert Frontier().committable() == {}


def test_an_open_record_holds_back_all_behind_it() -> None:
    frontier = Frontier()
    first, second, third = (frontier.deliver(record(o)) for o in (5, 6, 7))
    frontier.finish([second, third])
    assert frontier.committable() == {}
    frontier.finish([first])
    assert frontier.committable() == {TP: 8}
    assert frontier.unfinished == 0


def test_offsets_may_have_holes() -> None:
    frontier = Frontier()
    tokens = [frontier.deliver(record(o)) for o in (5, 9, 40)]
    frontier.finish(tokens[:2])
    assert frontier.committable() == {TP: 10}


def test_partitions_are_apart() -> None:
    frontier = Frontier()
    frontier.deliver(record(0))
    frontier.finish([frontier.deliver(record(0, partition=4))])
    assert frontier.committable() == {TopicPartition("units.visual", 4): 1}


def test_what_is_committed_is_not_committed_again() -> None:
    frontier = Frontier()
    frontier.finish([frontier.deliver(record(0))])
    frontier.committed(frontier.committable())
    assert frontier.committable() == {}
    frontier.finish([frontier.deliver(record(1))])
    assert frontier.committable() == {TP: 2}


def test_finished_records_give_their_bytes_back() -> None:
    frontier = Frontier()
    token = frontier.deliver(record(0))
    assert token.record is not None
    frontier.finish([token])
    assert token.record is None


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.randoms())
def test_never_passes_an_unfinished_record(gaps: list[int], random: object) -> None:
    offsets = [sum(gaps[: i + 1]) + i for i in range(len(gaps))]
    frontier = Frontier()
    tokens = [frontier.deliver(record(o)) for o in offsets]
    order = list(tokens)
    random.shuffle(order)  # type: ignore[attr-defined]
    for token in order:
        frontier.finish([token])
        open_offsets = [t.offset for t in tokens if not t.finished]
        committable = frontier.committable().get(TP, 0)
        assert all(committable <= offset for offset in open_offsets)
        prefix = [t.offset for t in tokens if t.offset < min(open_offsets, default=10**9)]
        assert committable == (prefix[-1] + 1 if prefix else 0)
    assert frontier.committable() == {TP: offsets[-1] + 1}
