"""The simulated line: the same for a seed, and what the audit is told is what is sent."""

import pytest

from agents.lab.simulator import LinePlan, LineTiming
from schemas.codec import decode
from schemas.errors import RecordError
from schemas.observation import Observation
from stream.demo.damage import KINDS
from stream.demo.line import Item, Line
from stream.kafka.topics import Topics
from stream.replay.audit import ObservationKey

START = 1_767_225_600_000


@pytest.fixture
def line() -> Line:
    plan = LinePlan(20, 3, START, 20.0, LineTiming(dropout=0.3, duplicates=0.2))
    return Line(plan, Topics("x."), foreign=0.25, damaged=8, late=3)


def observation(line: Line, item: Item) -> Observation:
    modality = line.topics.modality_of(item.topic)
    assert modality is not None
    return decode(item.value, modality)


def test_items_come_in_order_and_are_counted(line: Line) -> None:
    items = list(line.timely())
    assert len(items) + len(line.overdue) == line.total
    times = [item.send_at_ms for item in items]
    assert times == sorted(times)
    assert sum(item.modality is None for item in items) == 8


def test_the_same_seed_gives_the_same_line(line: Line) -> None:
    again = Line(line.plan, line.topics, line.foreign, line.damaged, line.late)
    assert again.produced == line.produced
    assert again.foreign_sources == line.foreign_sources
    assert len(line.foreign_sources) == 4


def test_what_is_sent_is_what_the_audit_expects(line: Line) -> None:
    good = {observation(line, item) for item in line.timely() if item.modality}
    assert {ObservationKey.of(seen) for seen in good} == {
        key for passage in line.produced.passages for key in passage.observations
    }
    late = [observation(line, item) for item in line.overdue]
    assert {ObservationKey.of(seen) for seen in late} == line.produced.late
    assert len(line.produced.late) == 3
    assert all(seen.captured_at <= START - line.late_by_ms for seen in late)
    damaged = [(i.topic, i.unit_id.encode(), i.value) for i in line.timely() if not i.modality]
    assert damaged == list(line.produced.damaged)


def test_stations_keep_their_hash(line: Line) -> None:
    for item in line.timely():
        if item.modality:
            assert item.foreign is (observation(line, item).source in line.foreign_sources)


@pytest.mark.parametrize("dropout", [0.0, 0.05])
def test_late_ones_are_of_units_whose_window_has_to_end_first(line: Line, dropout: float) -> None:
    plan = LinePlan(20, 3, START, 20.0, LineTiming(dropout=dropout))
    line = Line(plan, line.topics, late=3)
    incomplete = [stay.unit.unit_id for stay in line.passages if stay.left_out]
    assert 3 <= len(incomplete) < 20 or dropout == 0
    expected = incomplete or [stay.unit.unit_id for stay in line.passages]
    assert [item.unit_id for item in line.overdue] == expected[:3]


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
