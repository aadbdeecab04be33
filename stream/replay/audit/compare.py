"""Compares what was produced with what was decided. Pure: every fault can be made by hand."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from schemas.decision import Decision
from stream.replay.audit.facts import AuditReport, Found, ObservationKey, Outcome, Produced
from stream.replay.audit.matching import match

EXAMPLES = 5
"""Kept of each kind of fault."""

Faults = list[tuple[str, str]]
"""Pairs of a kind and one case in words."""


def compare(produced: Produced, found: Found) -> AuditReport:
    """Whether everything was decided, once, and on all of its evidence."""
    faults: Faults = []
    first, repeats = _first_wins(found.decisions, faults)
    revisions = _by_passage(first.values())
    for chain in revisions.values():
        faults.extend(_chain_faults(chain))
    last = [chain[-1] for chain in revisions.values()]
    matches, surplus = match(produced.passages, last)
    faults.extend(
        ("conflicting", f"{name(extra)} decides a stay that was not sent") for extra in surplus
    )
    for passage, decision in zip(produced.passages, matches, strict=True):
        if decision is None:
            faults.append(("lost", f"{passage.unit_id} was never decided"))
            continue
        chain = revisions[decision.passage_id]
        if all(revision.status == "provisional" for revision in chain):
            faults.append(("lost", f"{name(decision)} is provisional and was never made final"))
        if set(decision.missing) != passage.left_out:
            said, truth = _words(decision.missing), _words(passage.left_out)
            faults.append(("wrong_missing", f"{name(decision)} misses {said}; it is {truth}"))
        settled = next((r for r in chain if r.status != "provisional"), None)
        if settled and (unused := passage.observations - evidence(settled)):
            faults.append(("partial", f"{name(settled)} was first decided without {min(unused)}"))
        for key in sorted(evidence(decision) - passage.observations):
            faults.append(("unexpected", f"{name(decision)} lists {key}, not sent for it in time"))
    faults.extend(_observation_faults(produced, found, last))
    faults.extend(_damage_faults(produced, found))
    return _report(produced, found, first.values(), repeats, matches, faults)


def content(decision: Decision) -> tuple[object, ...]:
    """What a consumer acts on; not when it was decided, nor where the evidence lay."""
    routing = decision.routing
    return (
        decision.unit_id,
        decision.passage_id,
        decision.revision,
        evidence(decision),
        frozenset(decision.missing),
        (routing.option, routing.hold_for_human, frozenset(routing.reasons)),
        tuple(step.part for step in decision.disassembly.steps),
        decision.quality.grade,
        decision.material.type,
    )


def evidence(decision: Decision) -> frozenset[ObservationKey]:
    """The observations that a decision lists."""
    return frozenset(
        ObservationKey(decision.unit_id, item.modality, item.observation_id)
        for item in decision.evidence
    )


def name(decision: Decision) -> str:
    """How a decision is called in examples."""
    return f"{decision.unit_id} revision {decision.revision} of passage {decision.passage_id[:8]}"


def _first_wins(decisions: Iterable[Decision], faults: Faults) -> tuple[dict[str, Decision], int]:
    """The decisions as a consumer keeps them, by decision_id; and how many came again."""
    first: dict[str, Decision] = {}
    repeats = 0
    for decision in decisions:
        kept = first.setdefault(decision.decision_id, decision)
        if kept is decision:
            continue
        if content(kept) == content(decision):
            repeats += 1
        else:
            faults.append(("conflicting", f"{name(decision)} was published with two contents"))
    return first, repeats


def _by_passage(decisions: Iterable[Decision]) -> dict[str, list[Decision]]:
    """The revisions of each passage, ascending."""
    revisions: dict[str, list[Decision]] = defaultdict(list)
    for decision in decisions:
        revisions[decision.passage_id].append(decision)
    for chain in revisions.values():
        chain.sort(key=lambda decision: decision.revision)
    return revisions


def _chain_faults(chain: Sequence[Decision]) -> Faults:
    """A revision must supersede the one before it, on at least its evidence."""
    faults: Faults = []
    if chain[0].revision != 1:
        faults.append(("conflicting", f"{name(chain[0])} has none before it"))
    for before, after in pairwise(chain):
        if after.revision == before.revision:
            faults.append(("conflicting", f"{name(after)} was published under two decision_ids"))
        elif after.revision > before.revision + 1 or after.supersedes != before.decision_id:
            faults.append(("conflicting", f"{name(after)} does not supersede the one before"))
        if gone := evidence(before) - evidence(after):
            faults.append(("conflicting", f"{name(after)} no longer has {min(gone)}"))
    return faults


def _observation_faults(produced: Produced, found: Found, last: Sequence[Decision]) -> Faults:
    uses = Counter(key for decision in last for key in evidence(decision))
    late = frozenset(found.late)
    faults: Faults = [
        ("conflicting", f"{key} is evidence of {count} passages")
        for key, count in uses.items()
        if count > 1
    ]
    good = {key for passage in produced.passages for key in passage.observations}
    for key in sorted(good - uses.keys()):
        where = "in units.late, though sent in time" if key in late else "in no last revision"
        faults.append(("lost", f"{key} is {where}"))
    for key in sorted(late & uses.keys() & good):
        faults.append(("unexpected", f"{key} is evidence, and in units.late too"))
    for key in sorted(late - good - produced.late):
        faults.append(("unexpected", f"{key} is in units.late, but was never sent"))
    for key in sorted(produced.late - late):
        faults.append(("lost", f"{key}, sent too late, is not in units.late"))
    return faults


def _damage_faults(produced: Produced, found: Found) -> Faults:
    """Damaged records must be dead letters with their very bytes."""
    gone = Counter(produced.damaged) - Counter(found.dead_letters)
    return [
        ("lost", f"a damaged record of {record.topic} with key {record.key!r} is no dead letter")
        for record in gone.elements()
    ]


def _report(
    produced: Produced,
    found: Found,
    decisions: Iterable[Decision],
    repeats: int,
    matches: Sequence[Decision | None],
    faults: Faults,
) -> AuditReport:
    decisions = list(decisions)
    status = Counter(decision.status for decision in decisions)
    kinds: Mapping[str, int] = Counter(kind for kind, _ in faults)
    examples: dict[str, tuple[str, ...]] = {
        kind: tuple(case for other, case in faults if other == kind)[:EXAMPLES] for kind in kinds
    }
    return AuditReport(
        passages=len({decision.passage_id for decision in decisions}),
        decisions=len(decisions),
        provisional=status["provisional"],
        final=status["final"],
        amended=status["amended"],
        late=len(found.late),
        dead_letters=len(found.dead_letters),
        repeats=repeats,
        lost=kinds.get("lost", 0),
        conflicting=kinds.get("conflicting", 0),
        wrong_missing=kinds.get("wrong_missing", 0),
        partial=kinds.get("partial", 0),
        unexpected=kinds.get("unexpected", 0),
        examples=examples,
        outcomes=tuple(
            Outcome(passage, decision)
            for passage, decision in zip(produced.passages, matches, strict=True)
        ),
    )


def _words(modalities: Iterable[str]) -> str:
    return ", ".join(sorted(modalities)) or "nothing"
