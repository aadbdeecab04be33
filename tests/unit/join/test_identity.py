"""Names of passages and decisions, what a revision says of itself, and the settings' bounds."""

import pytest
from support.decisions import decision_of
from support.join_driver import JoinTestDriver

from agents.join import Arrival, JoinConfig, Revision
from agents.join.passage import Passage
from schemas.decision import Decision
from schemas.feature_record import Origin
from schemas.ids import decision_id_of, passage_id_of
from schemas.modality import Modality

VISUAL, TEXT = Modality.VISUAL, Modality.TEXT
T0 = 1_790_000_000_123
"""An event time whose seconds have no exact binary fraction."""


def driver(provisional_after: int | None = None) -> JoinTestDriver:
    return JoinTestDriver(JoinConfig(60, 30, lambda unit: (VISUAL, TEXT), provisional_after))


def revisions(used: JoinTestDriver) -> list[Revision]:
    return [o for o in used.outputs if isinstance(o, Revision)]


def test_ids_are_the_same_for_ever() -> None:
    """A change of these would let a replay publish every decision again under a new name."""
    passage_id = passage_id_of("LT-000017", T0)
    assert passage_id == "f44550b3-dfe3-5e4f-ab12-946d7c65dd86"
    assert decision_id_of(passage_id, 1) == "03824673-6c88-5107-b7b6-eecbc356a122"
    assert decision_id_of(passage_id, 2) == "c0e26146-d0db-5c47-b073-ba74885d6e2f"


def test_ids_differ_by_unit_time_and_revision() -> None:
    ids = {passage_id_of(unit, at) for unit in ("a", "b", "a1") for at in (1, 11, 111)}
    assert len(ids) == 9
    assert len({decision_id_of(name, revision) for name in ids for revision in (1, 2)}) == 18


def test_a_passage_is_named_after_its_opening_at_the_first_decision() -> None:
    used = driver()
    used.pipe("u", "visual", T0 + 30)
    used.pipe("u", "text", T0 + 20)
    used.pipe("u", "thermal", T0)
    first, second = revisions(used)
    assert (first.opened_at, second.opened_at) == (T0 + 20, T0)
    assert first.passage_id == second.passage_id == passage_id_of("u", T0 + 20)


def test_a_provisional_decision_names_the_passage() -> None:
    used = driver(provisional_after=10)
    used.pipe("u", "visual", T0 + 20)
    used.watermark(T0 + 30)
    used.pipe("u", "text", T0)
    assert {r.passage_id for r in revisions(used)} == {passage_id_of("u", T0 + 20)}


def test_revisions_supersede_one_another_across_a_restart() -> None:
    used = driver(provisional_after=10)
    used.pipe("u", "visual", T0)
    used.watermark(T0 + 10)
    used.restart()
    used.replay(used.undelivered)
    used.pipe("u", "text", T0 + 20)
    used.pipe("u", "thermal", T0 + 30)
    passage_id = passage_id_of("u", T0)
    one, two, three = (decision_id_of(passage_id, n) for n in (1, 2, 3))
    assert [(r.status, r.decision_id, r.supersedes) for r in revisions(used)] == [
        ("provisional", one, None),
        ("final", two, one),
        ("amended", three, two),
    ]


def test_a_passage_does_not_take_the_name_of_a_re_anchored_retired_one() -> None:
    """Inseparable stays: `x` could have opened, and be named after, the first passage's time."""
    used = driver()
    used.pipe("u", "visual", 110, "a")
    used.pipe("u", "text", 110, "b")
    used.pipe("u", "visual", 60, "c")
    used.watermark(150)
    used.pipe("u", "thermal", 110, "x")
    used.finish()
    assert [r.passage_id for r in revisions(used)] == [
        passage_id_of("u", 110),
        passage_id_of("u", 110),
        passage_id_of("u", 109),
    ]


def test_nor_of_a_re_anchored_open_one_nor_after_a_restart() -> None:
    used = driver()
    used.pipe("u", "visual", 110, "a")
    used.pipe("u", "text", 110, "b")
    used.pipe("u", "visual", 51, "c")
    used.restart()
    used.replay(used.undelivered)
    used.pipe("u", "visual", 120, "d")
    used.pipe("u", "text", 110, "e")  # nearer to d than to c
    last = revisions(used)[-1]
    assert [a.observation_id for a in last.evidence] == ["e", "d"]
    assert last.passage_id == passage_id_of("u", 109)


def test_the_newest_of_a_modality_counts_and_the_larger_id_of_equal_ones() -> None:
    used = driver()
    for name, at in (("b", T0 + 5), ("a", T0 + 5), ("z", T0)):
        used.pipe("u", "visual", at, name)
    used.pipe("u", "text", T0 + 1, "t")
    (revision,) = revisions(used)
    assert {m: a.observation_id for m, a in revision.newest.items()} == {VISUAL: "b", TEXT: "t"}


def test_the_deadline_follows_the_opening() -> None:
    used = driver()
    used.pipe("u", "text", T0 + 40)
    used.pipe("u", "visual", T0)
    (revision,) = revisions(used)
    assert (revision.opened_at, revision.deadline) == (T0, T0 + 60)


def test_a_decision_restores_the_passage_from_its_json_to_the_ms() -> None:
    used = driver()
    used.pipe("u", "visual", T0)
    used.pipe("u", "text", T0 + 59)
    decision = Decision.model_validate_json(decision_of(revisions(used)[0]).model_dump_json())
    passage = Passage.restored(decision)
    assert (passage.opened_at, passage.newest_at) == (T0, T0 + 59)
    assert passage.passage_id == passage_id_of("u", T0)
    assert passage.revision == 1
    assert passage.awaited == passage.published == {a.key for a in revisions(used)[0].evidence}


@pytest.mark.parametrize("at", [0, 1, 999, T0, 1_086_299_891_577, 253_402_300_799_938])
def test_every_ms_survives_the_decision_log(at: int) -> None:
    used = driver()
    used.pipe("u", "visual", at)
    used.watermark(at + 60)
    used.restart(Decision.model_validate_json(d.model_dump_json()) for d in used.decisions)
    assert used.join._units["u"][0].opened_at == at


def test_encodings_and_tokens_are_carried_but_not_compared() -> None:
    origin = Origin("units.visual", 3, 991)
    plain = Arrival("u", VISUAL, "a", T0, "cam-2", origin)
    carrying = Arrival("u", VISUAL, "a", T0, "cam-2", origin, encoding=object(), token=object())
    assert plain == carrying
    assert "object" not in repr(carrying)


@pytest.mark.parametrize(
    ("window", "grace", "provisional_after"),
    [(0, 0, None), (-1, 0, None), (1, -1, None), (10, 0, 10), (10, 0, -1)],
)
def test_settings_that_make_no_sense_are_refused(
    window: int, grace: int, provisional_after: int | None
) -> None:
    with pytest.raises(ValueError, match="must"):
        JoinConfig(window, grace, lambda unit: (), provisional_after)
