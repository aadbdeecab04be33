"""How one worker comes on with its input partitions, and what its marks say of it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from agents.extract.clocks import ClockConfig
from agents.extract.progress import MAX_ANSWER, Heard, InputProgress, make_mark
from schemas.mark import Mark, SourceProgress, decode_mark, encode_mark

T0 = 1_790_000_000_000
CONFIG = ClockConfig(live_for=90_000, idle_timeout=5_000, max_source_lag=180_000)


def progress(next_offset: int = 0, carried: str = "") -> InputProgress:
    return InputProgress("units.text", 3, next_offset, CONFIG, carried)


def spoken(next_offset: int = 8) -> InputProgress:
    """One station has spoken live, at T0."""
    made = progress()
    made.confirmed(next_offset, [Heard("desk", T0)], live=True)
    return made


def passed(made: InputProgress) -> int:
    """How much time has been answered since the station spoke, ms."""
    time = made.report().event_time
    assert time is not None
    return time - T0


def test_a_report_says_what_is_confirmed() -> None:
    made = spoken(8)
    assert made.report() == SourceProgress("units.text", 3, 8, T0, awake=True, at_end=False)
    made.confirmed(9, [], live=True)  # a dead letter: no speech
    made.answered(1_000, at_end=True)
    assert made.report() == SourceProgress("units.text", 3, 9, T0, awake=True, at_end=True)


def test_nothing_is_known_of_a_partition_that_nobody_has_spoken_on() -> None:
    made = progress(7)
    assert made.report() == SourceProgress("units.text", 3, 7, None, awake=True, at_end=False)
    made.answered(1_000, at_end=True)
    assert made.report() == SourceProgress("units.text", 3, 7, None, awake=False, at_end=True)


def test_time_is_answered_between_two_answers_that_there_is_nothing_more() -> None:
    made = spoken()
    for at, at_end in ((0, False), (400, True), (900, True), (1_300, False), (1_900, True)):
        made.answered(at, at_end=at_end)
    assert passed(made) == 500
    made.answered(2_000, at_end=True)
    assert passed(made) == 600


def test_one_answer_tells_of_a_second_at_most() -> None:
    made = spoken()
    made.answered(0, at_end=True)
    made.answered(2_500, at_end=True)
    assert passed(made) == MAX_ANSWER == 1_000
    made.answered(60_000, at_end=True)  # an outage: nothing was answered in it
    assert passed(made) == MAX_ANSWER


def test_nothing_is_answered_across_an_interruption() -> None:
    made = spoken()
    made.answered(0, at_end=True)
    made.interrupted()
    made.answered(900, at_end=True)
    assert passed(made) == 0
    made.answered(1_200, at_end=True)
    assert passed(made) == 300


def test_no_answer_no_time() -> None:
    made = spoken()
    for _ in range(20):
        made.answered(500, at_end=True)
    assert passed(made) == 0


def test_at_end_is_said_once_for_each_time_that_it_was_seen() -> None:
    made = spoken()
    made.answered(100, at_end=True)
    made.answered(200, at_end=False)
    assert [made.report().at_end, made.report().at_end] == [True, False]
    made.answered(300, at_end=True)
    made.answered(350, at_end=True)
    assert made.report().at_end


def test_in_an_outage_nobody_says_that_it_is_at_its_end() -> None:
    """Its clock stands still: it would be taken for a wrong one, and what waits would be late."""
    made = spoken()
    made.answered(100, at_end=True)
    assert made.report().at_end
    made.answered(100, at_end=True)  # the same answer, seen again
    assert not made.report().at_end
    made.answered(9_100, at_end=True)
    assert made.report().at_end


def test_what_the_last_records_wait_for_ends_with_their_confirmation() -> None:
    made = progress()
    made.answered(100, at_end=False)  # there is nothing more, but the last is not confirmed
    assert not made.report().at_end
    made.answered(100, at_end=True)
    assert made.report().at_end


def test_a_rebalance_ends_what_was_the_end() -> None:
    made = spoken()
    made.answered(100, at_end=True)
    made.interrupted()
    report = made.report()
    assert (report.at_end, report.awake) == (False, True)


def test_what_is_carried_comes_back() -> None:
    made = spoken()
    made.answered(0, at_end=True)
    made.answered(700, at_end=True)
    assert made.carry() == f"clock {T0 + 700} awake {T0 + 700}"
    taken = progress(8, made.carry())
    assert taken.report() == SourceProgress("units.text", 3, 8, T0 + 700, awake=True, at_end=False)
    assert taken.carry() == made.carry()


def test_the_largest_clock_is_carried_too() -> None:
    made = spoken()
    made.confirmed(9, [Heard("fast", T0 + 9_000)], live=True)
    assert made.carry() == f"clock {T0} awake {T0 + 9_000}"
    assert progress(9, made.carry()).carry() == made.carry()


def test_an_idle_partition_is_carried_as_idle() -> None:
    made = spoken()
    for second in range(92):
        made.answered(second * 1_000, at_end=True)
    assert made.carry() == f"clock {T0 + 91_000} idle {T0 + 91_000}"
    taken = progress(8, made.carry())
    taken.answered(5, at_end=True)
    assert taken.report() == SourceProgress("units.text", 3, 8, T0 + 91_000, False, True)


def test_nothing_known_is_nothing_carried() -> None:
    assert progress().carry() == ""


@settings(deadline=None)
@given(
    st.text(max_size=40)
    | st.from_regex(r"clock -?[0-9]{0,400} (awake|idle|asleep) -?[0-9]{0,400}", fullmatch=True)
    | st.sampled_from(["clock 5 awake 7", f"clock {T0} idle {T0 - 1}", f"clock {T0} awake"])
    | st.just(f"watermark {T0} mark 7")
)
def test_whatever_else_is_carried_is_not_known(text: str) -> None:
    report = progress(1, text).report()  # of a time that no mark can say it would raise
    assert report.event_time is None or f"{report.event_time}" in text


def test_a_mark_lists_every_partition_once_and_survives_the_wire() -> None:
    inputs = [spoken(), InputProgress("units.visual", 0, 2, CONFIG)]
    mark = make_mark("worker-1", 4, {"units.text": 4, "units.visual": 1}, inputs)
    assert mark == Mark(
        "worker-1",
        4,
        {"units.text": 4, "units.visual": 1},
        (
            SourceProgress("units.text", 3, 8, T0, awake=True, at_end=False),
            SourceProgress("units.visual", 0, 2, None, awake=True, at_end=False),
        ),
    )
    assert decode_mark(encode_mark(mark)) == mark
