"""A whole line without a broker, under virtual time: both steps, composed."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
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
from agents.line import DAY, Homes, Inputs, extract
from schemas import headers
from schemas.decision import Decision
from schemas.mark import decode_mark, is_mark
from schemas.modality import Modality
from schemas.record import Outgoing, Record

HOMES = 3
Left = list[tuple[int, Outgoing]]


class Line:
    """Notes on three partitions, three homes; a passage waits for a photograph, too."""

    def __init__(self) -> None:
        config = decide_config(topics=("units.text",), expected=(Modality.TEXT, Modality.VISUAL))

        def decide(start: StartingPoint | None) -> DecideStep:
            return DecideStep(config, StubModel(), start)

        self.steps = {"units.text": ExtractStep(extract_config())}
        self.inputs = Inputs(
            FEATURES,
            {"units.text": 3},
            HOMES,
            ClockConfig(live_for=90 * SECOND, idle_timeout=5 * SECOND, max_source_lag=180 * SECOND),
        )
        self.homes = Homes(decide, range(HOMES))
        self.passed: list[Record] = []

    def feed(self, *records: Record) -> Left:
        passed, letters = self.inputs.pass_on(records, extract(self.steps, records))
        self.passed += passed
        return [*((-1, letter) for letter in letters), *self.homes.step(passed)]

    def finish(self) -> Left:
        marks = self.inputs.finish()
        self.passed += marks
        return self.homes.step(marks)


@pytest.fixture
def line() -> Line:
    return Line()


def seen(
    unit_id: str, offset: int, at: int, arrives: int | None = None, **changes: object
) -> Record:
    """A note that was taken and has arrived at these ms after T0."""
    observation = note(unit_id, f"n{offset}", T0 + at)
    time = at if arrives is None else arrives
    return raw(observation, offset, timestamp=T0 + time, **changes)


def decided(left: Left) -> list[str]:
    found = [Decision.model_validate_json(o.value or b"") for _, o in left if o.topic == DECISIONS]
    return [f"{d.unit_id} {d.status} {d.passage.closed_by}" for d in found]


def test_a_passage_is_decided_when_time_has_passed_its_window(line: Line) -> None:
    left = line.feed(seen("LT-1", 0, 0), seen("LT-22", 1, 0))
    for second in range(1, 62):
        left += line.feed(seen("LT-333", second + 1, second * SECOND))
    assert decided(left) == []
    left += line.feed(seen("LT-333", 63, 62 * SECOND))
    assert sorted(decided(left)) == ["LT-1 final window", "LT-22 final window"]


def test_finishing_decides_and_retires_everything(line: Line) -> None:
    left = line.feed(seen("LT-1", 0, 0))
    left += line.feed(seen("LT-22", 0, 50 * SECOND, partition=1))
    assert sorted(decided(left + line.finish())) == ["LT-1 final window", "LT-22 final window"]
    assert not any(step.join.open_passages for step in line.homes._steps.values())


def test_dead_letters_and_late_ones_leave_the_line(line: Line) -> None:
    ((home, dead),) = line.feed(raw(b"junk", 0))
    assert (home, dead.topic, dead.value) == (-1, DEAD, b"junk")
    line.feed(seen("LT-1", 1, 0))
    ((home, late), (_, decision)) = line.feed(seen("LT-1", 2, 0, arrives=200 * SECOND))
    assert (decision.topic, late.topic, home) == (DECISIONS, LATE, len("LT-1") % HOMES)
    assert dict(late.headers)[headers.ORIGIN] == b"units.text/2/2"


def test_a_station_whose_clock_runs_ahead_of_its_record_is_not_believed(line: Line) -> None:
    ((_, dead),) = line.feed(seen("LT-1", 0, 61 * SECOND, arrives=0))
    assert dict(dead.headers)[headers.REASON] == b"clock-skew"


def test_what_passes_between_the_stages_decides_the_same_again(line: Line) -> None:
    left = line.feed(*(seen(f"LT-{n}", n, n * SECOND) for n in range(100))) + line.finish()
    for count in (1, 7, 1000):
        again = Line().homes
        repeated: Left = []
        for first in range(0, len(line.passed), count):
            repeated += again.step(line.passed[first : first + count])
        assert by_home(repeated) == by_home(left)


def by_home(left: Left) -> dict[tuple[int, str], list[bytes | None]]:
    found: dict[tuple[int, str], list[bytes | None]] = {}
    for home, out in left:
        found.setdefault((home, out.topic), []).append(out.value)
    return found


arrivals = st.lists(
    st.tuples(
        st.integers(0, 5), st.integers(0, 2), st.integers(0, 200), st.sampled_from([0, 1, 30, 200])
    ),
    max_size=30,
)


def played(batches: Sequence[Sequence[Record]]) -> tuple[list[Record], Left]:
    line = Line()
    left = [item for batch in batches for item in line.feed(*batch)]
    return line.passed, left + line.finish()


@settings(deadline=None)
@given(arrivals, st.integers(1, 10))
def test_the_size_of_batches_changes_nothing(
    plan: list[tuple[int, int, int, int]], size: int
) -> None:
    records = [
        seen("LT-" + unit * "1", n, at * SECOND, (at + delay) * SECOND, partition=partition)
        for n, (unit, partition, at, delay) in enumerate(plan)
    ]
    records.sort(key=lambda record: record.timestamp)
    batches = [records[first : first + size] for first in range(0, len(records), size)]
    passed, left = played(batches)
    whole_passed, whole_left = played([records])
    assert passed == whole_passed
    assert by_home(left) == by_home(whole_left)


def test_a_long_silence_costs_little_and_ends_where_ticking_would(line: Line) -> None:
    """The clocks after a skipped night are those of one that was ticked through."""
    line.feed(seen("LT-1", 0, 0))
    ticked = Line()
    ticked.inputs._silence = 2 * DAY
    ticked.feed(seen("LT-1", 0, 0))
    for each in (line, ticked):
        each.feed(seen("LT-22", 1, DAY // 4))
    marks = [[r for r in each.passed if is_mark(r.value)] for each in (line, ticked)]
    assert len(marks[0]) < 1_000 < 60_000 < len(marks[1])
    last = [(each[-1].timestamp, decode_mark(each[-1].value or b"")) for each in marks]
    assert last[0] == last[1]
