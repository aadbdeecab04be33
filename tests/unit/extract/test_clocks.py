"""The clocks of the stations of one input partition as tables: `clocks/*.txt`.

A case starts with `# its name`; its steps:

    a @100              station a has sent an observation of 100 s, out of a backlog
    live a @100         ... when the partition had been read to its end
    +3s                 the broker has answered for 3 s that there is nothing more
    end -> 98 awake     the event time, and whether the partition is awake, at its end
    backlog -> ? idle   ... when it is not at its end (`?`: nothing is known)
    wrong -> a          stations whose clock is wrong
    carried 90 idle     first: what the last owner of the partition left behind; `95`: the largest

A station counts for 90 s that was heard live, any other for 5 s; 180 s behind is wrong.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.extract.clocks import MAX_STATIONS, Carried, ClockConfig, StationClocks

SECOND = 1_000
CONFIG = ClockConfig(live_for=90 * SECOND, idle_timeout=5 * SECOND, max_source_lag=180 * SECOND)


def read_cases() -> Iterator[Any]:
    """A parameter a case: its lines."""
    for path in sorted(Path(__file__).with_name("clocks").glob("*.txt")):
        _, *cases = re.split(r"^# ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        for case in cases:
            name, _, script = case.partition("\n")
            lines = [line for line in script.splitlines() if line]
            yield pytest.param(lines, id=f"{path.stem}: {name}")


def say(found: tuple[int | None, bool]) -> str:
    time, awake = found
    shown = "?" if time is None else f"{time / SECOND:g}"
    return f"{shown} {'awake' if awake else 'idle'}"


@pytest.mark.parametrize("lines", list(read_cases()))
def test_case(lines: list[str]) -> None:
    clocks = StationClocks(CONFIG)
    told, happened = [], []
    for line in lines:
        step, _, outcome = (part.strip() for part in line.partition("->"))
        told.append((step, outcome))
        said = ""
        match step.split():
            case ["carried", time, state, *largest]:
                least, most = int(time) * SECOND, int((largest or [time])[0]) * SECOND
                clocks = StationClocks(CONFIG, Carried(least, state == "awake", most))
            case [passed] if passed.startswith("+"):
                clocks.answered(round(float(passed[1:-1]) * SECOND))
            case [*live, station, time] if time.startswith("@"):
                clocks.heard(station, int(time[1:]) * SECOND, live=live == ["live"])
            case ["end" | "backlog" as where]:
                said = say(clocks.event_time(at_end=where == "end"))
            case ["wrong"]:
                said = " ".join(sorted(clocks.wrong))
            case _:
                raise ValueError(f"no such step: {step}")
        happened.append((step, said))
    assert happened == told


def test_stations_are_told_apart_up_to_a_bound_then_the_longest_silent_is_forgotten() -> None:
    clocks = StationClocks(CONFIG)
    for number in range(MAX_STATIONS):
        clocks.heard(f"s{number}", number * SECOND, live=True)
    clocks.heard("s0", 500 * SECOND, live=True)  # speaks again: now s1 is the longest silent
    assert clocks.event_time(at_end=False) == (1 * SECOND, True)
    clocks.heard("one more", 500 * SECOND, live=True)
    assert clocks.event_time(at_end=False) == (2 * SECOND, True)


heard = st.tuples(st.sampled_from("abc"), st.integers(0, 400), st.booleans())
steps = st.lists(heard | st.integers(0, 100), max_size=40)


@settings(deadline=None)
@given(steps)
def test_a_fast_station_makes_nobody_late_and_nothing_is_ahead_of_all(found: list[Any]) -> None:
    """With it and without it: where others count, it moves event time by nothing forward."""
    without, with_it = StationClocks(CONFIG), StationClocks(CONFIG)
    largest, passed = 0, 0
    for step in found:
        if isinstance(step, int):
            passed += step
            without.answered(step * SECOND)
            with_it.answered(step * SECOND)
        else:
            station, time, live = step
            largest = max(largest, time)
            without.heard(station, time * SECOND, live=live)
            with_it.heard(station, time * SECOND, live=live)
        with_it.heard("fast", (largest + passed + 60) * SECOND, live=True)
        alone = without.event_time(at_end=False)
        both = with_it.event_time(at_end=False)
        assert alone[0] is None or alone[0] <= (largest + passed) * SECOND
        if without._stations:
            assert both == alone
