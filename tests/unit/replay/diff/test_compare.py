"""Which stays are the same ones, and where they differ: decisions made by hand."""

import itertools
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.decisions import a_decision, evidence_of
from support.steps import T0, note

from agents.decide.policy import Policy
from schemas.decision import Alternative, Decision, Grade, Material, Option, RemovalStep
from schemas.feature_record import Origin
from stream.replay.diff import ASPECTS, Comparison, Pair
from stream.replay.diff.compare import ABSENT
from stream.replay.pairing import pair

POLICY = Policy.load()


def decision(
    unit_id: str = "LT-1", *names: str, opened_at: int = T0, revision: int = 1, offset: int = 0
) -> Decision:
    """On notes of these names."""
    seen = [
        evidence_of(note(unit_id, name, opened_at), Origin("units.text", 0, offset + number))
        for number, name in enumerate(names or ("n1", "n2"))
    ]
    return a_decision(unit_id, seen, opened_at=opened_at, revision=revision)


def changed(made: Decision, **changes: Any) -> Decision:
    """With other fields, of the decision or of `routing__`, `quality__`, ..."""
    flat = {name: value for name, value in changes.items() if "__" not in name}
    for path, value in changes.items():
        if "__" in path:
            part, name = path.split("__")
            held = flat.get(part, getattr(made, part))
            flat[part] = held.model_copy(update={name: value})
    return made.model_copy(update=flat)


def compared(a: Iterable[Decision], b: Iterable[Decision], **options: Any) -> Comparison:
    comparison = Comparison(POLICY, **options)
    for side, decisions in enumerate((a, b)):
        for each in decisions:
            comparison.add(side, each)
    return comparison


def aspects(pairs: Iterable[Pair]) -> list[set[str]]:
    return [set(found.changes) for found in pairs]


BASE = decision()
STEP = RemovalStep(
    part="fan", after=[], expected_value=1, labour_s=1, hazardous=False, put_back=False
)
CASES = [
    ({}, set()),
    ({"decided_at": BASE.valid_until, "valid_until": BASE.decided_at}, set()),
    ({"distiller__sha256": "ff", "distiller__version": "9"}, set()),
    ({"uncertainty": 0.9, "criticality": 0.9, "reuse": {}}, set()),
    ({"routing__expected_value": 7.0}, set()),
    ({"routing__alternatives": [Alternative(option=Option.HARVEST, expected_value=1)]}, set()),
    ({"routing__option": Option.RECYCLE}, {"option"}),
    ({"routing__hold_for_human": True}, {"hold"}),
    ({"routing__reasons": ["fan-worn"]}, {"reasons"}),
    ({"quality__grade": Grade.D}, {"grade"}),
    ({"material__type": Material.PA_GF}, {"material"}),
    ({"disassembly__steps": [STEP]}, {"plan"}),
    ({"missing": []}, {"missing"}),
    ({"status": "amended"}, {"status"}),
    ({"confidence": 0.995}, set()),
    ({"confidence": 0.985}, {"confidence"}),
    ({"evidence": BASE.evidence[:1]}, {"evidence"}),
    ({"evidence": BASE.evidence[::-1]}, set()),
    ({"routing__option": Option.RECYCLE, "quality__grade": Grade.B}, {"option", "grade"}),
]


@pytest.mark.parametrize(("changes", "expected"), CASES)
def test_what_counts_as_a_difference(changes: dict[str, Any], expected: set[str]) -> None:
    comparison = compared([BASE], [changed(BASE, **changes)])
    report = comparison.report()
    assert aspects(comparison.unit("LT-1")) == [expected]
    assert set(report.aspects) == expected
    assert report.same == (not expected)
    assert (report.pairs, report.only_a, report.only_b) == (1, 0, 0)


def test_where_the_evidence_lay_and_how_the_passage_is_named_do_not_matter() -> None:
    other = changed(decision(offset=70), passage_id="p", decision_id="d", supersedes=None)
    assert compared([BASE], [other]).report().same


def test_stays_of_a_unit_are_told_apart_by_their_evidence() -> None:
    early = decision("LT-1", "a", "b")
    late = decision("LT-1", "c", "d", opened_at=T0 + 600_000)
    less = decision("LT-1", "d", opened_at=T0 + 600_001)
    report = compared([late, early], [early, less]).report()
    assert aspects(report.worst) == [
        {
            "evidence",
        }
    ]
    assert report.worst[0].changes["evidence"] == (["text c"], [])


def test_stays_whose_observations_are_called_alike_are_told_apart_by_time() -> None:
    early, late = decision("LT-1", "n1"), decision("LT-1", "n1", opened_at=T0 + 600_000)
    for side in ([late], [early]):
        report = compared([early, late], side).report()
        assert (report.pairs, report.only_a) == (1, 1)
        assert report.worst[0].a is not None
        assert report.worst[0].a.opened_at != round(side[0].passage.opened_at.timestamp() * 1000)
    # A replay whose times are shifted has the same names at other times.
    assert compared([early], [decision("LT-1", "n1", opened_at=T0 + 9)]).report().same


def test_a_stay_that_one_side_lacks() -> None:
    report = compared([BASE, decision("LT-2")], [BASE, decision("LT-3")]).report()
    assert (report.pairs, report.only_a, report.only_b, report.different) == (1, 1, 1, 2)
    assert report.options == {("resell", "resell"): 1, ("resell", ABSENT): 1, (ABSENT, "resell"): 1}
    assert aspects(report.worst) == [{"presence"}, {"presence"}]
    assert compared([BASE], []).report().worst[0].b is None


def test_the_last_revision_counts_and_how_many_there_were() -> None:
    first, second = decision("LT-1", "a"), decision("LT-1", "a", "b", revision=2)
    at_once = decision("LT-1", "a", "b")
    report = compared([first, second], [at_once]).report()
    assert aspects(report.worst) == [{"revision", "status"}]
    assert report.worst[0].changes["revision"] == (2, 1)
    # In whatever order they come.
    assert compared([second, first], [first, second]).report().same


def test_earlier_revisions_count_where_both_have_as_many() -> None:
    first, second = decision("LT-1", "a"), decision("LT-1", "a", "b", revision=2)
    other = changed(first, routing__option=Option.RECYCLE)
    report = compared([first, second], [other, second]).report()
    assert report.worst[0].changes == {
        "earlier": ("revision 1, option: resell", "revision 1, option: recycle")
    }


def test_of_a_revision_that_comes_again_the_first_counts() -> None:
    comparison = compared([BASE, changed(BASE, confidence=0.1), BASE], [BASE])
    report = comparison.report()
    assert report.same
    assert (report.decisions, report.repeats) == ((1, 1), (2, 0))


def test_aspects_that_are_ignored_and_another_tolerance() -> None:
    other = changed(BASE, confidence=0.5, quality__grade=Grade.C)
    assert compared([BASE], [other], ignore=("grade",), tolerance=0.5).report().same
    assert set(compared([BASE], [other], ignore=("grade",)).report().aspects) == {"confidence"}
    assert compared([BASE], [], ignore=ASPECTS).report().same


def test_only_stays_that_opened_within_a_span() -> None:
    early, late = decision("LT-1"), decision("LT-2", opened_at=T0 + 1000)
    assert compared([early, late], [late], since=T0 + 1).report().same
    assert compared([early, late], [early], until=T0 + 1000).report().same
    # What one side saw earlier tells when the stay opened.
    part = decision("LT-1", "n2", opened_at=T0 + 500)
    assert compared([early], [part], since=T0 + 1).report().same


def test_what_is_gained_and_lost_under_the_table() -> None:
    sure = {"quality": BASE.quality.model_copy(update={"probabilities": {Grade.B: 1.0}})}
    sure["material"] = BASE.material.model_copy(update={"probabilities": {Material.PC_ABS: 1.0}})
    resell = changed(BASE, **sure, confidence=0.9)
    recycle = changed(resell, routing__option=Option.RECYCLE, confidence=0.5)
    # resell: 0.9 * 36 - 0.1 * 38, 0.9 * 110 kg; recycle: 0.5 * (20 + 1) - 0.5 * 24, 0.5 * (10 + 1)
    report = compared([resell], [recycle]).report()
    assert report.lost == pytest.approx((-1.5 - 28.6, 5.5 - 99))
    assert report.gained == (0, 0)
    back = compared([recycle], [resell]).report()
    assert back.gained == pytest.approx((28.6 + 1.5, 99 - 5.5))
    # Another belief about a unit that goes the same way earns nothing.
    doubtful = changed(resell, confidence=0.4)
    same_way = compared([resell], [doubtful]).report()
    assert (same_way.gained, same_way.lost, same_way.different) == ((0, 0), (0, 0), 1)


def test_the_worst_come_first_and_the_list_is_bounded() -> None:
    made = [decision(f"LT-{number}") for number in range(5)]
    options = [Option.RESELL, Option.RECYCLE, Option.HAZARDOUS, Option.REFURBISH]
    other = [changed(d, routing__option=o) for d, o in zip(made, options, strict=False)]
    comparison = compared(made, other)
    everything = comparison.report().worst
    assert everything[0].either.unit_id == "LT-4"  # B lacks it
    totals = [found.gain.total(POLICY.co2_weight) for found in everything[1:]]
    assert len(totals) == 3
    assert totals == sorted(totals)
    for limit in (0, 2, 10):
        report = comparison.report(worst=limit)
        assert report.worst == everything[:limit]
        assert report.different == 4


def test_an_option_without_a_price_is_worth_nothing_known() -> None:
    stranger = Option.RESELL
    unknown = str.__new__(Option, "donate")
    unknown._name_ = unknown._value_ = "donate"
    report = compared([BASE], [changed(BASE, routing__option=unknown)]).report()
    assert report.options == {(stranger.value, "donate"): 1}
    assert report.lost == (0, 0)


sets = st.lists(st.frozensets(st.integers(0, 9), max_size=4), max_size=6)


@given(sets, sets)
def test_pairing_takes_each_once_and_leaves_no_two_that_share(
    left: list[frozenset[int]], right: list[frozenset[int]]
) -> None:
    pairs = pair(left, right)
    assert len(set(pairs.values())) == len(pairs)
    assert all(left[i] & right[j] for i, j in pairs.items())
    free = itertools.product(
        set(range(len(left))) - pairs.keys(), set(range(len(right))) - set(pairs.values())
    )
    assert not any(left[i] & right[j] for i, j in free)


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(list(Option))), max_size=12))
def test_a_set_does_not_differ_from_itself_in_any_order(made: list[tuple[int, Option]]) -> None:
    decisions = [
        changed(decision(f"LT-{unit}", f"n{stay}", opened_at=T0 + stay), routing__option=option)
        for stay, (unit, option) in enumerate(made)
    ]
    report = compared(decisions, decisions[::-1]).report()
    assert report.same
    assert report.pairs == len(decisions)
