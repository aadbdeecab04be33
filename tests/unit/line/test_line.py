"""A whole line without a broker: both steps, composed."""

import pytest
from support.steps import (
    DEAD,
    DECISIONS,
    FEATURES,
    LATE,
    SECOND,
    T0,
    StubModel,
    decide_config,
    extract_config,
    note,
    raw,
)

from agents.decide.step import DecideStep, StartingPoint
from agents.extract.clocks import ClockConfig
from agents.extract.step import ExtractStep
from agents.line import Line
from schemas import headers
from schemas.decision import Decision
from schemas.mark import is_mark
from schemas.modality import Modality
from schemas.record import Outgoing, Record


@pytest.fixture
def line() -> Line:
    """Notes on three partitions, three homes; a passage waits for a photograph, too."""
    config = decide_config(topics=("units.text",), expected=(Modality.TEXT, Modality.VISUAL))

    def decide(start: StartingPoint | None) -> DecideStep:
        return DecideStep(config, StubModel(), start)

    return Line(
        {"units.text": ExtractStep(extract_config())},
        decide,
        features_topic=FEATURES,
        partitions={"units.text": 3},
        homes=3,
        clocks=ClockConfig(
            live_for=90 * SECOND, idle_timeout=5 * SECOND, max_source_lag=180 * SECOND
        ),
    )


def decided(left: list[Outgoing]) -> list[str]:
    decisions = [Decision.model_validate_json(o.value or b"") for o in left if o.topic == DECISIONS]
    return [f"{d.unit_id} {d.status} {d.passage.closed_by}" for d in decisions]


def test_what_is_fed_is_decided_when_its_window_is_over(line: Line) -> None:
    assert line.feed([raw(note("LT-1"), 0), raw(note("LT-22"), 1)], T0) == []
    left: list[Outgoing] = []
    for second in range(61):
        left += line.mark(T0 + second * SECOND)
    assert decided(left) == []
    for second in (61, 62):
        left += line.mark(T0 + second * SECOND)
    assert sorted(decided(left)) == ["LT-1 final window", "LT-22 final window"]


def test_finishing_decides_and_retires_everything(line: Line) -> None:
    line.feed([raw(note("LT-1"), 0)], T0)
    line.feed([raw(note("LT-22", at=T0 + 50_000), 0, partition=1)], T0 + 50_000)
    left = line.finish(T0 + 50_000)
    assert decided(left) == ["LT-1 final window", "LT-22 final window"]
    assert line.finish(T0 + 700_000) == []


def test_finishing_takes_no_longer_than_it_may(line: Line) -> None:
    line.feed([raw(note("LT-1"), 0)], T0)
    assert line.finish(T0, within=30) == []


def test_a_backlog_holds_time(line: Line) -> None:
    line.feed([raw(note("LT-1"), 0)], T0, live=False)
    left = [out for s in range(200) for out in line.mark(T0 + s * SECOND, at_end=False)]
    assert left == []


def test_dead_letters_and_late_ones_leave_the_line(line: Line) -> None:
    (dead,) = line.feed([raw(b"junk", 0)], T0)
    assert (dead.topic, dead.value) == (DEAD, b"junk")
    line.feed([raw(note("LT-1"), 1)], T0)
    line.finish(T0)
    (late,) = line.feed([raw(note("LT-1", "n2"), 2)], T0 + 95 * SECOND)
    assert late.topic == LATE
    assert dict(late.headers)[headers.ORIGIN] == b"units.text/2/2"


def test_it_keeps_what_passed_between_the_stages_by_home(line: Line) -> None:
    line.feed([raw(note("LT-1"), 0), raw(note("LT-22"), 1)], T0)
    line.mark(T0)
    shape = [[is_mark(record.value) for record in log] for log in line.features]
    assert shape == [[True], [False, True], [False, True]]
    offsets = [[record.offset for record in log] for log in line.features]
    assert offsets == [[0], [0, 1], [0, 1]]
    assert all(isinstance(record, Record) for log in line.features for record in log)


def test_what_passed_between_the_stages_decides_the_same_again(line: Line) -> None:
    line.feed([raw(note("LT-1"), 0), raw(note("LT-22"), 1)], T0)
    left = line.finish(T0)
    again: list[Outgoing] = []
    for log in line.features:
        step = DecideStep(
            decide_config(topics=("units.text",), expected=(Modality.TEXT, Modality.VISUAL)),
            StubModel(),
        )
        again += step.step(log, T0).outgoing
    assert sorted(o.value or b"" for o in again) == sorted(o.value or b"" for o in left)
