"""The simulated line: the same for a seed, and what the audit is told is what is sent."""

from collections import Counter

import pytest

from agents.lab.simulator import LinePlan, LineTiming
from schemas.codec import decode
from schemas.errors import RecordError
from schemas.observation import Observation
from stream.demo.damage import KINDS
from stream.demo.line import Line, Sent, Spoilt
from stream.kafka.topics import Topics
from stream.replay.audit import ObservationKey

START = 1_767_225_600_000


@pytest.fixture
def line() -> Line:
    plan = LinePlan(20, 3, START, 20.0, LineTiming(dropout=0.3, duplicates=0.2))
    return Line(plan, Topics("x."), foreign=0.25, damaged=8, late=3)


def test_items_come_in_order_and_are_counted(line: Line) -> None:
    items = list(line.items())
    assert len(items) == line.total
    times = [item.send_at_ms for item in items]
    assert times == sorted(times)
    kinds = Counter(type(item) for item in items)
    assert kinds[Spoilt] == 8


def test_the_same_seed_gives_the_same_line(line: Line) -> None:
    again = Line(line.plan, line.topics, line.foreign, line.damaged, line.late)
    assert again.produced == line.produced
    assert again.foreign_sources == line.foreign_sources
    assert len(line.foreign_sources) == 4


def test_what_is_sent_is_what_the_audit_expects(line: Line) -> None:
    good, late = set(), set()
    for item in line.items():
        if isinstance(item, Sent):
            key = ObservationKey.of(item.observation)
            (late if item.passage is None else good).add(key)
    assert good == {key for passage in line.produced.passages for key in passage.observations}
    assert late == line.produced.late
    assert len(late) == 3
    assert not good & late


def test_late_ones_are_sent_last_and_are_old(line: Line) -> None:
    items = list(line.items())
    assert [i.send_at_ms for i in items[:-3]] == [i.send_at_ms for i in line.timely()]
    assert [i.send_at_ms for i in items[-3:]] == [i.send_at_ms for i in line.overdue]
    for item in line.overdue:
        assert isinstance(item, Sent)
        assert item.passage is None
        assert item.observation.captured_at <= START - line.late_by_ms


@pytest.mark.parametrize("dropout", [0.0, 0.05])
def test_late_ones_are_of_units_whose_window_has_to_end_first(line: Line, dropout: float) -> None:
    plan = LinePlan(20, 3, START, 20.0, LineTiming(dropout=dropout))
    line = Line(plan, line.topics, late=3)
    incomplete = [stay.unit.unit_id for stay in line.passages if stay.left_out]
    assert 3 <= len(incomplete) < 20 or dropout == 0
    expected = incomplete or [stay.unit.unit_id for stay in line.passages]
    assert [item.observation.unit_id for item in line.overdue] == expected[:3]


def test_damaged_records_differ_and_cannot_be_used(line: Line) -> None:
    records = line.produced.damaged
    assert len(set(records)) == 8 > len(KINDS)
    for record in records:
        modality = line.topics.modality_of(record.topic)
        assert modality is not None
        try:
            observation = decode(record.value, modality)
        except RecordError:
            continue
        assert isinstance(observation, Observation)
        assert observation.captured_at > START + 12 * 3_600_000  # a clock ahead
