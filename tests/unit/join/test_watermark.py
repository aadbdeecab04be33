"""The watermark alone: which sources hold it, when they are idle, and what an outage does."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.join import BEGINNING, Watermark


def watermark(*sources: str, outage_hold: float = 0.0) -> Watermark:
    return Watermark(
        sources, max_out_of_orderness=2, idle_timeout=5.0, now=0.0, outage_hold=outage_hold
    )


def test_starts_before_anything_and_waits_for_every_source() -> None:
    mark = watermark("a", "b")
    assert mark.value == BEGINNING
    mark.observe("a", 100, now=0.0)
    assert mark.advance(0.0, 0, answering=True) == BEGINNING
    mark.observe("b", 50, now=0.0)
    assert mark.advance(0.0, 0, answering=True) == 48


def test_follows_the_largest_event_time_of_the_slowest_source() -> None:
    mark = watermark("a", "b")
    for source, captured_at in (("a", 100), ("a", 90), ("b", 80), ("b", 70)):
        mark.observe(source, captured_at, now=0.0)
    assert mark.advance(0.0, 0, answering=True) == 78
    assert mark.slowest(0.0) == "b"
    assert mark.reached("b") == 80


def test_a_silent_source_is_the_slowest() -> None:
    mark = watermark("a", "b")
    mark.observe("a", 100, now=0.0)
    assert mark.slowest(0.0) == "b"
    assert mark.reached("b") == BEGINNING


@pytest.mark.parametrize(
    ("at_end", "silent_for", "idle"),
    [(True, 5.0, True), (True, 4.999, False), (False, 5.0, False), (False, 5000.0, False)],
)
def test_idle_is_silent_for_the_timeout_and_read_to_the_end(
    at_end: bool, silent_for: float, idle: bool
) -> None:
    mark = watermark("a")
    mark.observe("a", 100, now=1.0)
    mark.progress("a", at_end=at_end)
    assert mark.is_idle("a", 1.0 + silent_for) is idle


def test_a_dead_letter_is_a_sign_of_life_without_event_time() -> None:
    mark = watermark("a", "b")
    mark.progress("a", at_end=True)
    mark.observe("b", 100, now=4.0)
    mark.touch("a", now=4.0)
    assert mark.advance(5.0, 0, answering=True) == BEGINNING
    assert mark.advance(9.0, 0, answering=True) == 98


def test_all_idle_follows_the_wall_clock_less_the_disorder_and_names_no_slowest() -> None:
    mark = watermark("a", "b")
    mark.progress("a", at_end=True)
    mark.progress("b", at_end=True)
    assert mark.advance(4.9, 1_000, answering=True) == BEGINNING
    assert mark.advance(5.0, 1_000, answering=True) == 998
    assert mark.slowest(5.0) is None


def test_unread_forwarded_records_keep_every_source_awake() -> None:
    mark = watermark("a", "b")
    mark.observe("a", 100, now=0.0)
    mark.progress("a", at_end=True)
    mark.progress("b", at_end=True)
    assert mark.advance(9.0, 1_000, answering=True, unread=True) == BEGINNING
    assert mark.advance(9.0, 1_000, answering=True, unread=False) == 998


def test_never_goes_back() -> None:
    mark = watermark("a")
    mark.progress("a", at_end=True)
    assert mark.advance(5.0, 1_000, answering=True) == 998
    assert mark.advance(6.0, 500, answering=True) == 998
    mark.observe("a", 100, now=6.0)
    assert mark.advance(6.0, 1_000, answering=True) == 998


def test_stands_still_in_an_outage_even_where_sources_have_moved() -> None:
    mark = watermark("a")
    mark.observe("a", 100, now=0.0)
    mark.advance(0.0, 0, answering=True)
    mark.observe("a", 200, now=1.0)
    assert mark.advance(1.0, 9_999, answering=False) == 98
    assert mark.advance(2.0, 9_999, answering=True) == 198


def test_after_an_outage_nothing_is_idle_until_the_hold_is_over() -> None:
    mark = watermark("a", "b", outage_hold=10.0)
    mark.observe("a", 100, now=0.0)
    mark.observe("b", 50, now=0.0)
    mark.progress("a", at_end=True)
    mark.progress("b", at_end=True)
    mark.advance(20.0, 0, answering=False)
    assert mark.advance(30.0, 9_999, answering=True) == 48
    mark.observe("a", 200, now=31.0)
    assert mark.advance(39.9, 9_999, answering=True) == 48, "b may only now be reconnecting"
    assert mark.advance(40.0, 9_999, answering=True) == 9_997


def test_a_source_may_turn_up_later_and_is_then_waited_for() -> None:
    mark = watermark("a")
    mark.observe("a", 100, now=0.0)
    mark.observe("forwarder", 30, now=0.0)
    assert mark.advance(0.0, 0, answering=True) == 28
    mark.progress("nobody", at_end=True)
    mark.progress("forwarder", at_end=True)
    mark.observe("a", 110, now=5.0)
    assert mark.advance(5.0, 0, answering=True) == 108


def test_an_expected_forwarder_is_waited_for_until_it_falls_silent() -> None:
    mark = watermark("a")
    mark.expect("forwarder", now=0.0)
    mark.observe("a", 100, now=4.0)
    assert mark.advance(4.0, 0, answering=True) == BEGINNING
    mark.observe("forwarder", 40, now=4.0)
    mark.expect("forwarder", now=8.0)  # expecting it again is no sign of life
    assert mark.advance(8.9, 0, answering=True) == 38
    assert mark.advance(9.0, 0, answering=True) == 98


steps = st.tuples(
    st.sampled_from(["observe", "touch", "end", "lag", "advance", "outage", "unread"]),
    st.sampled_from("abc"),
    st.integers(0, 10_000),
    st.floats(0, 20),
)


@settings(deadline=None)
@given(st.lists(steps, max_size=50))
def test_is_monotonic_and_never_ahead_of_what_any_awake_source_allows(
    script: list[tuple[str, str, int, float]],
) -> None:
    mark, now, last = watermark("a", "b", outage_hold=7.0), 0.0, BEGINNING
    for verb, source, at, passed in script:
        now += passed
        match verb:
            case "observe":
                mark.observe(source, at, now)
            case "touch":
                mark.touch(source, now)
            case "end" | "lag":
                mark.progress(source, at_end=verb == "end")
        value = mark.advance(now, at, answering=verb != "outage", unread=verb == "unread")
        assert value >= last
        if value > last and (slowest := mark.slowest(now)) is not None:
            assert value <= mark.reached(slowest) - 2
        last = value
