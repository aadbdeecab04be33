"""A plant at work, judged by who knows all that happened (`support.plant`)."""

import pytest
from support.plant import Scenario, World, judge, play
from support.plant.history import Interrupted

from agents.extract.clocks import StationClocks
from agents.join import Watermark


@pytest.mark.parametrize("seed", range(30))
def test_what_is_entitled_is_on_time_and_crashes_change_nothing(seed: int) -> None:
    assert play(seed).faults == ()


def faults_of(seeds: range) -> set[str]:
    """The kinds of faults that the judge finds."""
    found = [fault for seed in seeds for fault in play(seed).faults]
    return {fault.split(":")[0].split()[-1] for fault in found}


def test_the_judge_finds_a_line_that_runs_ahead_of_its_stations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def largest(self: StationClocks, *, at_end: bool) -> tuple[int | None, bool]:
        clocks = [station.ahead + self._answered for station in self._stations.values()]
        return max(clocks, default=None), bool(clocks) or not at_end

    monkeypatch.setattr(StationClocks, "event_time", largest)
    assert "late" in faults_of(range(40))


def test_the_judge_finds_a_line_that_waits_for_the_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Watermark, "_reached", lambda self: None)
    assert faults_of(range(2)) == {"held", "lost"}


def test_the_judge_finds_a_worker_that_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Interrupted, "_restore", lambda *_: None)
    assert "crash" in faults_of(range(5))


def test_the_same_seed_is_the_same_plant() -> None:
    one, other = World(Scenario.draw(7)), World(Scenario.draw(7))
    one.run()
    other.run()
    assert judge(one) == judge(other)
    assert [log.records for log in one.broker.homes] == [log.records for log in other.broker.homes]
