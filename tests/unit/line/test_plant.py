"""A plant at work, judged by who knows all that happened (`support.plant`)."""

import pytest
from support.plant import Scenario, World, judge, play
from support.plant.history import Interrupted

from agents.extract.clocks import StationClocks
from agents.join import Watermark


@pytest.mark.parametrize("seed", range(30))
def test_what_is_entitled_is_on_time_and_crashes_change_nothing(seed: int) -> None:
    assert play(seed).faults == ()


def test_the_largest_clock_survives_a_take_over() -> None:
    assert play(1332).faults == ()  # with the least alone a silent line holds a unit for 167 s


def test_the_first_observation_of_a_partition_is_waited_for() -> None:
    assert play(302).late == 0  # 20, where time passes it while it is on its way


def kinds_of_faults(seed: int) -> set[str]:
    return {fault.split(":")[0].split()[-1] for fault in play(seed).faults}


def test_the_judge_finds_a_line_that_takes_nobody_for_live(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = StationClocks.heard

    def out_of_a_backlog(self: StationClocks, source: str, captured_at: int, *, live: bool) -> None:
        heard(self, source, captured_at, live=False)

    monkeypatch.setattr(StationClocks, "heard", out_of_a_backlog)
    assert kinds_of_faults(16) == {"late"}


def test_the_judge_finds_a_line_that_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Watermark, "_reached", lambda self: None)
    assert "held" in kinds_of_faults(7)


def test_the_judge_finds_a_worker_that_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Interrupted, "_restore", lambda *_: None)
    assert "crash" in kinds_of_faults(1)


def test_the_same_seed_is_the_same_plant() -> None:
    one, other = World(Scenario.draw(7)), World(Scenario.draw(7))
    one.run()
    other.run()
    assert judge(one) == judge(other)
    assert [log.records for log in one.broker.homes] == [log.records for log in other.broker.homes]
