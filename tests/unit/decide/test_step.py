"""The decide step: what comes of feature records and marks, and what is finished by it."""

from collections.abc import Sequence

import pytest
from support.steps import (
    DEAD,
    DECISIONS,
    LATE,
    SECOND,
    T0,
    StubModel,
    decide_config,
    features_of,
    home_record,
    mark_of,
)

from agents.decide.step import DecideConfig, DecideStep, Effects, StartingPoint
from agents.join import BEGINNING
from schemas import headers
from schemas.decision import Decision
from schemas.record import Outgoing

VISUAL = features_of("LT-1", "visual", "a", 0, origin=5)
TEXT = features_of("LT-1", "text", "b", 9_000, origin=6)


class Home:
    """A step that is fed values, each at the next offset."""

    def __init__(
        self,
        config: DecideConfig | None = None,
        start: StartingPoint | None = None,
        offset: int = 0,
    ) -> None:
        self.model = StubModel()
        self.step = DecideStep(config or decide_config(), self.model, start)
        self.offset = offset

    def take(self, *values: bytes | None) -> Effects:
        records = [home_record(value, self.offset + i) for i, value in enumerate(values)]
        self.offset += len(values)
        return self.step.step(records, T0 + 10**6)


def said(outgoing: Sequence[Outgoing]) -> list[str]:
    """Each outgoing record in a word or three."""
    lines = []
    for out in outgoing:
        if out.topic == DECISIONS:
            decision = Decision.model_validate_json(out.value or b"")
            names = " ".join(e.observation_id for e in decision.evidence)
            lines.append(f"{decision.unit_id} {decision.status} {decision.revision} [{names}]")
        else:
            reason = dict(out.headers).get(headers.REASON, b"") or b""
            lines.append(f"{out.topic} {reason.decode()}".strip())
    return lines


# -- decisions ----------------------------------------------------------------------------------


def test_a_complete_passage_is_decided_and_finished_when_it_is_retired() -> None:
    home = Home()
    effects = home.take(VISUAL, TEXT)
    assert said(effects.outgoing) == ["LT-1 final 1 [a b]"]
    assert [d.unit_id for d in effects.decisions] == ["LT-1"]
    assert effects.finished == []
    assert home.take(mark_of(89_999)).finished == [2]
    retired = home.take(mark_of(90_000))
    assert (retired.outgoing, sorted(retired.finished)) == ([], [0, 1, 3])


def test_marks_move_time_and_are_finished_at_once() -> None:
    home = Home()
    assert home.take(VISUAL, mark_of(59_999)).outgoing == []
    effects = home.take(mark_of(60_000))
    assert (said(effects.outgoing), effects.finished) == (["LT-1 final 1 [a]"], [2])


def test_time_comes_from_marks_alone() -> None:
    home = Home()
    assert home.take(VISUAL).outgoing == []
    assert home.step.step([], T0 + 10**12).outgoing == []
    assert home.step.watermark.value == BEGINNING


def test_revisions_are_judged_a_batch_at_a_time_in_order() -> None:
    home = Home(decide_config(batch_max=2))
    values = [features_of(f"LT-{n}", "visual", "a", n) for n in range(5)]
    effects = home.take(*values, mark_of(60_004))
    assert home.model.asked == [2, 2, 1]
    assert said(effects.outgoing) == [f"LT-{n} final 1 [a]" for n in range(5)]


def test_a_provisional_decision_comes_before_the_final_one() -> None:
    home = Home(decide_config(provisional_after=20 * SECOND))
    effects = home.take(VISUAL, mark_of(20_000), TEXT)
    assert said(effects.outgoing) == ["LT-1 provisional 1 [a]", "LT-1 final 2 [a b]"]


def test_the_evidence_bears_the_origin() -> None:
    (decision,) = Home().take(VISUAL, TEXT).decisions
    assert [(e.topic, e.partition, e.offset) for e in decision.evidence] == [
        ("units.visual", 0, 5),
        ("units.text", 0, 6),
    ]


# -- late, repeats, dead letters ----------------------------------------------------------------


def test_what_comes_after_its_passage_is_late_with_its_origin() -> None:
    home = Home()
    late = home_record(VISUAL, 1, key=b"LT-1", headers=[("trace", b"1"), ("trace", b"2")])
    home.take(mark_of(90_000))
    effects = home.step.step([late], T0)
    (out,) = effects.outgoing
    assert (out.topic, out.key, out.value, out.timestamp) == (LATE, b"LT-1", VISUAL, late.timestamp)
    assert out.headers == [
        ("trace", b"1"),
        ("trace", b"2"),
        (headers.ORIGIN, b"units.visual/0/5"),
    ]
    assert (effects.late, effects.repeats, effects.finished) == (1, 0, [1])


@pytest.mark.parametrize(("vouched_to", "repeats"), [(5, 0), (6, 1)])
def test_what_a_mark_has_vouched_for_is_a_repeat_not_late(vouched_to: int, repeats: int) -> None:
    home = Home()
    home.take(mark_of(90_000, next_offsets={"visual": vouched_to}))
    effects = home.take(VISUAL)
    assert (effects.repeats, effects.late) == (repeats, 1 - repeats)
    assert len(effects.outgoing) == effects.late
    assert effects.finished == [1]


def test_what_is_not_late_is_used_whatever_a_mark_has_vouched_for() -> None:
    """A topic that was made anew starts at 0 again."""
    home = Home()
    home.take(mark_of(0, next_offsets={"visual": 99, "text": 99}))
    assert said(home.take(VISUAL, TEXT).outgoing) == ["LT-1 final 1 [a b]"]


def test_the_same_observation_again_changes_nothing_and_is_finished_at_once() -> None:
    home = Home()
    effects = home.take(VISUAL, VISUAL, TEXT, TEXT)
    assert said(effects.outgoing) == ["LT-1 final 1 [a b]"]
    assert effects.finished == [1, 3]
    assert home.step.join.duplicates == 2


def test_what_exceeds_the_bound_is_a_dead_letter() -> None:
    home = Home(decide_config(max_evidence=1))
    effects = home.take(VISUAL, TEXT)
    (out,) = effects.outgoing
    assert said([out]) == [f"{DEAD} too-much-evidence"]
    assert out.value == TEXT
    assert dict(out.headers)[headers.ERROR_STAGE] == b"join"
    assert (effects.dead, effects.finished) == (["too-much-evidence"], [1])


@pytest.mark.parametrize(
    ("value", "reason", "stage"),
    [
        (None, "empty", b"decode"),
        (b"", "empty", b"decode"),
        (b"{}", "unknown-schema", b"decode"),
        (VISUAL[:-3], "malformed", b"decode"),
        (mark_of(0)[:14], "malformed", b"decode"),
        (features_of("LT-1", "visual", "a", 0, fingerprint="ff"), "other-features", b"encode"),
    ],
)
def test_what_cannot_be_read_is_a_dead_letter(
    value: bytes | None, reason: str, stage: bytes
) -> None:
    home = Home()
    effects = home.take(VISUAL, value, TEXT)
    letter, decision = effects.outgoing
    assert said([letter, decision]) == [f"{DEAD} {reason}", "LT-1 final 1 [a b]"]
    assert (letter.key, letter.value) == (b"LT-1", value)
    assert dict(letter.headers)[headers.ERROR_STAGE] == stage
    assert (effects.dead, effects.finished) == ([reason], [1])


def test_a_damaged_mark_does_not_move_time() -> None:
    home = Home()
    home.take(VISUAL)
    assert home.take(mark_of(10**6)[:-1]).decisions == []
    assert home.step.watermark.value == BEGINNING


# -- taking over --------------------------------------------------------------------------------


def test_a_starting_point_survives_its_text() -> None:
    for point in (StartingPoint(T0, 7), StartingPoint(BEGINNING, 0)):
        assert StartingPoint.read(str(point)) == point


@pytest.mark.parametrize(
    "text",
    ["", "watermark", "watermark x mark 1", "watermark 1 mark -1", "watermark --1 mark 1",
     "watermark  mark 1", f"clock {T0} awake", "watermark 1 mark 1 more"],
)  # fmt: skip
def test_any_other_text_is_no_starting_point(text: str) -> None:
    assert StartingPoint.read(text) is None


def test_starting_points_are_those_of_the_last_mark_before_an_offset() -> None:
    home = Home()
    home.take(VISUAL, mark_of(1_000), TEXT, mark_of(2_000), VISUAL)
    points = [home.step.starting_point(offset) for offset in range(6)]
    first, second = StartingPoint(T0 + 1_000, 1), StartingPoint(T0 + 2_000, 3)
    assert points == [None, None, first, first, second, second]


def test_before_the_first_mark_the_starting_point_is_the_one_it_started_from() -> None:
    start = StartingPoint(T0 + 500, 3)
    home = Home(start=start, offset=7)
    home.take(VISUAL)
    assert home.step.starting_point(8) == start


def test_a_step_that_starts_somewhere_judges_by_that_time() -> None:
    home = Home(start=StartingPoint(T0 + 90_000, 0), offset=4)
    assert said(home.take(VISUAL).outgoing) == [LATE]


def test_marks_that_are_restored_do_not_move_time_but_are_known() -> None:
    home = Home(start=StartingPoint(T0, 0), offset=2)
    known = mark_of(50_000, next_offsets={"visual": 6}, worker="A", modalities=["visual"])
    home.step.restore_mark(home_record(known, 0))
    home.step.restore_mark(home_record(b"damaged", 1))
    home.step.restore_mark(home_record(VISUAL, 1))
    home.step.restore_mark(home_record(None, 1))
    assert home.step.watermark.value == T0
    home.take(mark_of(90_000, worker="B", modalities=["text"]))
    assert home.step.watermark.value == T0 + 50_000
    assert home.step.starting_point(3) == StartingPoint(T0 + 50_000, 0)
    home.take(mark_of(90_000, next_offsets={"visual": 6}, worker="A", modalities=["visual"]))
    assert home.take(VISUAL).repeats == 1


def test_a_restored_decision_is_not_made_again_and_gets_the_next_revision() -> None:
    before = Home()
    (decision,) = before.take(VISUAL, TEXT).decisions
    home = Home()
    home.step.restore(decision)
    assert home.take(VISUAL, TEXT).outgoing == []
    effects = home.take(features_of("LT-1", "thermal", "c", 0))
    assert said(effects.outgoing) == ["LT-1 amended 2 [c a b]"]


def test_without_a_starting_point_the_log_tells_how_far_time_had_come() -> None:
    before = Home()
    decisions = before.take(VISUAL, mark_of(60_000)).decisions
    home = Home()
    for decision in decisions:
        home.step.restore(decision)
    old = features_of("LT-2", "visual", "x", -30_000)
    newer = features_of("LT-3", "visual", "y", -29_999)
    assert said(home.take(old, newer).outgoing) == [LATE]


def test_with_one_the_log_has_no_say_in_it() -> None:
    before = Home()
    decisions = before.take(VISUAL, mark_of(60_000)).decisions
    home = Home(start=StartingPoint(T0 - 100_000, 0))
    for decision in decisions:
        home.step.restore(decision)
    assert home.take(features_of("LT-2", "visual", "x", -30_000)).outgoing == []
