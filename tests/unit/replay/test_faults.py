"""Faults on demand: each happens about as often as asked for, and by the seed alone."""

from collections import Counter

import pytest

from schemas.record import Record
from stream.errors import RecordingError
from stream.replay.faults import Faults, Timed

RECORDS = [Record("t", 0, n, 1_000 * n, None, b"%08d" % n) for n in range(4_000)]


def offsets(timed: list[Timed]) -> list[int]:
    return [each.record.offset for each in timed]


def test_without_faults_all_come_when_they_came() -> None:
    assert list(Faults().apply(RECORDS)) == [Timed(r.timestamp, r) for r in RECORDS]


def test_a_record_is_due_when_those_before_it_were() -> None:
    early = [Record("t", 0, n, at, None, b"") for n, at in enumerate((5, 3, -1, 9))]
    assert [each.due for each in Faults().apply(early)] == [5, 5, 5, 9]


def test_a_seed_gives_the_same_faults() -> None:
    some = Faults(0.1, 0.1, 0.1, 0.1, 0.1, seed=3)
    assert list(some.apply(RECORDS)) == list(some.apply(RECORDS))
    other = Faults(0.1, 0.1, 0.1, 0.1, 0.1, seed=4)
    assert list(some.apply(RECORDS)) != list(other.apply(RECORDS))


def test_dropped_and_duplicated() -> None:
    dropped = set(range(4_000)) - set(offsets(list(Faults(drop=0.1).apply(RECORDS))))
    assert 300 < len(dropped) < 500
    both = Counter(offsets(list(Faults(drop=0.1, duplicate=0.1).apply(RECORDS))))
    assert dropped == set(range(4_000)) - set(both), "one fault more leaves the others"
    assert 250 < sum(count == 2 for count in both.values()) < 450


def test_reordered_by_one() -> None:
    found = offsets(list(Faults(reorder=0.1).apply(RECORDS)))
    assert sorted(found) == list(range(4_000))
    behind = [n for place, n in enumerate(found) if n < place]
    assert 300 < len(behind) < 500
    assert all(abs(n - place) == 1 for place, n in enumerate(found) if n != place)


def test_delayed_by_at_most_so_much() -> None:
    timed = list(Faults(delay=0.1, delay_by=60_000).apply(RECORDS))
    late = [each.due - each.record.timestamp for each in timed if each.due > each.record.timestamp]
    assert 300 < len(late) < 500
    assert max(late) <= 60_001
    assert [each.due for each in timed] == sorted(each.due for each in timed)
    assert sorted(offsets(timed)) == list(range(4_000))


def test_corrupted_in_one_bit() -> None:
    found = [each.record.value or b"" for each in Faults(corrupt=0.1).apply(RECORDS)]
    bits = [
        (int.from_bytes(a) ^ int.from_bytes(r.value or b"")).bit_count()
        for a, r in zip(found, RECORDS, strict=True)
    ]
    assert set(bits) == {0, 1}
    assert 300 < sum(bits) < 500
    empty = [Record("t", 0, 0, 0, None, value) for value in (None, b"")]
    assert [each.record for each in Faults(corrupt=1).apply(empty)] == empty


def test_how_they_are_written() -> None:
    assert Faults.read(["drop=0.5", "delay=0.25:90"], 7) == Faults(
        drop=0.5, delay=0.25, delay_by=90_000, seed=7
    )


@pytest.mark.parametrize(
    "text",
    ["drop", "drop=", "drop=2", "drop=nan", "loss=0.1", "seed=1", "drop=0.1:5", "delay=1:-1"],
)
def test_what_is_no_fault_is_refused(text: str) -> None:
    with pytest.raises(RecordingError, match="is no fault; write drop, delay"):
        Faults.read([text], 1)
