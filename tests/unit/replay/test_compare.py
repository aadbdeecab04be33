"""The audit finds each kind of fault, and none where there is none. Decisions made by hand."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from schemas.decision import (
    Component,
    Decision,
    Disassembly,
    DistillerInfo,
    Evidence,
    Grade,
    Material,
    MaterialFinding,
    Option,
    PassageInfo,
    Quality,
    RemovalStep,
    Routing,
    Tier,
)
from schemas.modality import MODALITIES, Modality
from stream.replay.audit import Damaged, Found, ObservationKey, Produced, ProducedPassage, compare

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
VISUAL, TEXT, BATTERY = Modality.VISUAL, Modality.TEXT, Modality.BATTERY
SEEN = (VISUAL, TEXT, BATTERY)


def key(unit: str, modality: Modality, stay: int = 0) -> ObservationKey:
    return ObservationKey(unit, modality, f"{unit}/{stay}/{modality}")


def stay(unit: str, *seen: Modality, number: int = 0) -> ProducedPassage:
    seen = seen or SEEN
    return ProducedPassage(
        unit,
        frozenset(key(unit, modality, number) for modality in seen),
        frozenset(MODALITIES) - set(seen),
    )


def decision(
    passage: ProducedPassage, *seen: Modality, revision: int = 1, name: str = "p", **changes: object
) -> Decision:
    """A decision on a stay, on all that was sent or on the modalities in `seen`."""
    used = sorted(k for k in passage.observations if not seen or k.modality in seen)
    have = {k.modality for k in used}
    made = Decision(
        decision_id=f"{passage.unit_id}-{name}-{revision}",
        passage_id=f"{passage.unit_id}-{name}",
        unit_id=passage.unit_id,
        revision=revision,
        supersedes=f"{passage.unit_id}-{name}-{revision - 1}" if revision > 1 else None,
        status="final" if revision == 1 else "amended",
        passage=PassageInfo(
            opened_at=NOON, deadline=NOON + timedelta(seconds=8), closed_by="window"
        ),
        quality=Quality(grade=Grade.A, probabilities={Grade.A: 1.0}),
        material=MaterialFinding(type=Material.ABS, probabilities={Material.ABS: 1.0}),
        routing=Routing(
            option=Option.RESELL,
            expected_value=1,
            alternatives=[],
            reasons=[],
            hold_for_human=False,
        ),
        reuse=dict.fromkeys(Component, 1.0),
        confidence=1,
        uncertainty=0,
        criticality=0,
        evidence=[
            Evidence(
                modality=k.modality,
                observation_id=k.observation_id,
                source="s",
                captured_at=NOON,
                topic=f"units.{k.modality}",
                partition=0,
                offset=offset,
            )
            for offset, k in enumerate(used)
        ],
        missing=[modality for modality in MODALITIES if modality not in have],
        distiller=DistillerInfo(
            model="m", version="1", sha256="0", tier=Tier.SMALL, selection=None
        ),
        decided_at=NOON,
        valid_until=NOON + timedelta(days=1),
    )
    return made.model_copy(update=changes)


A, B = stay("LT-A"), stay("LT-B", VISUAL)
BOTH = Produced((A, B))
GOOD = [decision(A), decision(B)]


def faults(produced: Produced, *decisions: Decision, **found: object) -> dict[str, int]:
    return compare(produced, Found(decisions, **found)).faults


def test_nothing_wrong_is_nothing_found() -> None:
    report = compare(BOTH, Found(GOOD))
    assert report.ok
    assert report.faults == {}
    assert report.examples == {}
    assert (report.passages, report.decisions, report.final) == (2, 2, 2)
    assert [outcome.decision for outcome in report.outcomes] == GOOD


def test_nothing_at_all() -> None:
    assert compare(Produced(()), Found(())).ok


def test_revisions_in_order_are_right() -> None:
    first = decision(A, status="provisional")
    report = compare(Produced((A,)), Found([first, decision(A, revision=2, status="final")]))
    assert report.ok
    assert (report.provisional, report.final, report.decisions) == (1, 1, 2)


# -- lost -----------------------------------------------------------------------------------


def test_a_stay_that_was_never_decided_is_lost_with_its_observations() -> None:
    report = compare(BOTH, Found([decision(A)]))
    assert report.faults == {"lost": 2}  # the stay, and its one observation
    assert report.examples["lost"][0] == "LT-B was never decided"
    assert report.outcomes[1].decision is None


def test_a_provisional_decision_is_not_enough() -> None:
    assert faults(Produced((B,)), decision(B, status="provisional")) == {"lost": 1}


def test_an_observation_that_vanished() -> None:
    report = compare(Produced((A,)), Found([decision(A, VISUAL, TEXT)]))
    assert report.faults == {"lost": 1, "wrong_missing": 1, "partial": 1}
    assert "LT-A battery LT-A/0/battery is in no last revision" in report.examples["lost"]


def test_a_good_observation_in_units_late() -> None:
    report = compare(Produced((A,)), Found([decision(A, VISUAL, TEXT)], [key("LT-A", BATTERY)]))
    assert report.lost == 1
    assert "in units.late, though sent in time" in report.examples["lost"][0]


def test_late_ones_belong_into_units_late() -> None:
    late = key("LT-A", Modality.THERMAL, 9)
    produced = replace(Produced((A,)), late=frozenset({late}))
    assert faults(produced, decision(A)) == {"lost": 1}
    assert faults(produced, decision(A), late=[late]) == {}


DAMAGED = Damaged("units.text", b"LT-X", b"{broken")


def test_damaged_records_belong_among_the_dead_letters_byte_for_byte() -> None:
    produced = replace(Produced((A,)), damaged=(DAMAGED,))
    assert faults(produced, decision(A), dead_letters=[DAMAGED]) == {}
    assert faults(produced, decision(A)) == {"lost": 1}
    for other in (
        DAMAGED._replace(value=b"{broken "),
        DAMAGED._replace(key=None),
        DAMAGED._replace(topic="units.visual"),
    ):
        assert faults(produced, decision(A), dead_letters=[other]) == {"lost": 1}


def test_of_two_equal_damaged_records_both_count() -> None:
    produced = replace(Produced((A,)), damaged=(DAMAGED, DAMAGED))
    assert faults(produced, decision(A), dead_letters=[DAMAGED]) == {"lost": 1}


# -- conflicting ----------------------------------------------------------------------------


def test_the_same_decision_twice_is_a_harmless_repeat() -> None:
    again = decision(B, decided_at=NOON + timedelta(seconds=3))
    report = compare(Produced((B,)), Found([decision(B), again]))
    assert report.ok
    assert (report.repeats, report.decisions) == (1, 1)


ROUTING = decision(B).routing
REMOVAL = RemovalStep(
    part="fan", after=[], expected_value=3, labour_s=60, hazardous=False, put_back=False
)


@pytest.mark.parametrize(
    "change",
    [
        {"routing": ROUTING.model_copy(update={"option": Option.RECYCLE})},
        {"routing": ROUTING.model_copy(update={"hold_for_human": True})},
        {"routing": ROUTING.model_copy(update={"reasons": ["fan-worn"]})},
        {"disassembly": Disassembly(steps=[REMOVAL], expected_value=3)},
        {"quality": Quality(grade=Grade.D, probabilities={})},
        {"material": MaterialFinding(type=Material.MAGNESIUM, probabilities={})},
        {"missing": []},
        {"evidence": decision(A).evidence},
    ],
    ids=lambda change: next(iter(change)),
)
def test_one_decision_id_with_two_contents_conflicts(change: dict[str, object]) -> None:
    report = compare(Produced((B,)), Found([decision(B), decision(B, **change)]))
    assert report.faults == {"conflicting": 1}  # the first wins, and it is right
    assert report.repeats == 0


def test_a_stay_that_was_decided_twice_conflicts() -> None:
    report = compare(Produced((B,)), Found([decision(B), decision(B, name="q")]))
    assert report.faults == {"conflicting": 2}  # one passage too many, one observation twice
    assert report.passages == 2


def test_a_split_stay_conflicts() -> None:
    halves = [decision(A, VISUAL, TEXT), decision(A, BATTERY, name="q")]
    found = faults(Produced((A,)), *halves)
    assert found["conflicting"] == 1
    assert found["partial"] == 1
    assert "lost" not in found


def test_a_unit_nobody_sent_conflicts() -> None:
    assert faults(Produced((A,)), decision(A), decision(B)) == {"conflicting": 1}


def test_a_revision_with_less_evidence_conflicts() -> None:
    found = faults(Produced((A,)), decision(A), decision(A, VISUAL, TEXT, revision=2))
    assert found == {"conflicting": 1, "lost": 1, "wrong_missing": 1}


def test_a_revision_that_is_not_on_the_topic_conflicts() -> None:
    assert faults(Produced((B,)), decision(B), decision(B, revision=3)) == {"conflicting": 1}
    assert faults(Produced((B,)), decision(B, revision=2)) == {"conflicting": 1}


def test_a_revision_that_supersedes_another_conflicts() -> None:
    second = decision(B, revision=2, supersedes="another")
    assert faults(Produced((B,)), decision(B), second) == {"conflicting": 1}


def test_one_revision_under_two_ids_conflicts() -> None:
    other = decision(B, decision_id="another")
    assert faults(Produced((B,)), decision(B), other) == {"conflicting": 1}


# -- missing, partial, unexpected -----------------------------------------------------------


def test_a_wrong_missing() -> None:
    report = compare(Produced((B,)), Found([decision(B, missing=[TEXT])]))
    assert report.faults == {"wrong_missing": 1}
    assert "misses text; it is acoustic, battery," in report.examples["wrong_missing"][0]


def test_a_first_decision_on_part_of_the_evidence_is_told_though_it_was_amended() -> None:
    found = faults(Produced((A,)), decision(A, VISUAL), decision(A, revision=2))
    assert found == {"partial": 1}


def test_a_provisional_decision_may_be_on_part_of_the_evidence() -> None:
    first = decision(A, VISUAL, status="provisional")
    assert faults(Produced((A,)), first, decision(A, revision=2, status="final")) == {}


def test_evidence_that_nobody_sent_for_the_stay() -> None:
    more = replace(A, observations=A.observations | {key("LT-A", Modality.THERMAL, 7)})
    found = faults(Produced((A,)), decision(more, missing=decision(A).missing))
    assert found == {"unexpected": 1}


def test_late_records_that_are_wrong() -> None:
    assert faults(Produced((B,)), decision(B), late=[key("LT-Q", TEXT)]) == {"unexpected": 1}
    assert faults(Produced((B,)), decision(B), late=[key("LT-B", VISUAL)]) == {"unexpected": 1}


# -- several stays of one unit --------------------------------------------------------------


def test_stays_of_one_unit_are_told_apart_by_their_evidence() -> None:
    first, second = stay("LT-A", VISUAL), stay("LT-A", TEXT, BATTERY, number=1)
    decided = [decision(second, name="q"), decision(first)]
    report = compare(Produced((first, second)), Found(decided))
    assert report.ok
    assert [outcome.decision for outcome in report.outcomes] == decided[::-1]


def test_stays_that_were_joined_into_one() -> None:
    first, second = stay("LT-A", VISUAL), stay("LT-A", TEXT, BATTERY, number=1)
    joined = replace(first, observations=first.observations | second.observations)
    found = faults(Produced((first, second)), decision(joined))
    assert found["lost"] == 1  # one of the two stays has no decision
    assert found["unexpected"] == 1


def test_examples_are_few() -> None:
    stays = tuple(stay(f"LT-{n}", VISUAL) for n in range(50))
    report = compare(Produced(stays), Found(()))
    assert report.lost == 100
    assert len(report.examples["lost"]) == 5
