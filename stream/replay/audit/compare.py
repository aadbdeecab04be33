"""Compares what was produced with what was decided. Pure: every fault can be made by hand."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from schemas.decision import Decision
from stream.replay.audit.facts import (
    FAULTS,
    AuditReport,
    Found,
    ObservationKey,
    Outcome,
    Produced,
    ProducedPassage,
)

EXAMPLES = 5
"""Kept of each kind of fault."""

Fault = tuple[str, str]
"""A kind and one case in words."""


def compare(produced: Produced, found: Found) -> AuditReport:
    """Returns whether everything was decided, once, and on all of its evidence."""
    # As a consumer keeps them.
    first: dict[str, Decision] = {}
    for decision in found.decisions:
        first.setdefault(decision.decision_id, decision)
    others = [d for d in found.decisions if d is not first[d.decision_id]]
    contradictions = [d for d in others if content(d) != content(first[d.decision_id])]
    chains: dict[str, list[Decision]] = defaultdict(list)
    for decision in sorted(first.values(), key=lambda decision: decision.revision):
        chains[decision.passage_id].append(decision)
    last = [chains[passage][-1] for passage in dict.fromkeys(d.passage_id for d in first.values())]
    matches, surplus = match(produced.passages, last)
    faults = [
        *(("conflicting", f"{name(d)} was published with two contents") for d in contradictions),
        *(fault for chain in chains.values() for fault in _chain_faults(chain)),
        *(("conflicting", f"{name(extra)} decides a stay that was not sent") for extra in surplus),
        *(
            fault
            for passage, decision in zip(produced.passages, matches, strict=True)
            for fault in _stay_faults(passage, chains[decision.passage_id] if decision else [])
        ),
        *_observation_faults(produced, found, last),
    ]
    # Damaged records must be dead letters with their very bytes.
    gone = Counter(produced.damaged) - Counter(found.dead_letters)
    faults += [
        ("lost", f"a damaged record of {record.topic} with key {record.key!r} is no dead letter")
        for record in gone.elements()
    ]
    status = Counter(decision.status for decision in first.values())
    counts = Counter(kind for kind, _ in faults)
    return AuditReport(
        passages=len(chains),
        decisions=len(first),
        provisional=status["provisional"],
        final=status["final"],
        amended=status["amended"],
        late=len(found.late),
        dead_letters=len(found.dead_letters),
        repeats=len(others) - len(contradictions),
        **{kind: counts[kind] for kind in FAULTS},
        examples={
            kind: tuple(case for other, case in faults if other == kind)[:EXAMPLES]
            for kind in counts
        },
        outcomes=tuple(map(Outcome, produced.passages, matches)),
    )


def match(
    passages: Sequence[ProducedPassage], last: Sequence[Decision]
) -> tuple[list[Decision | None], list[Decision]]:
    """Returns per stay the decision that lists most of its observations, and what remains.

    A decision that lists none of them is not about that stay: its evidence came from elsewhere.

    Args:
        passages: the stays that were sent.
        last: the last revision of every decided passage.
    """
    stays = {key: stay for stay, passage in enumerate(passages) for key in passage.observations}
    shared = Counter(
        (stays[key], number)
        for number, decision in enumerate(last)
        for key in evidence(decision)
        if key in stays
    )
    matches: dict[int, Decision] = {}
    taken: set[int] = set()
    for (stay, number), _ in shared.most_common():  # of equals the first published
        if stay not in matches and number not in taken:
            matches[stay] = last[number]
            taken.add(number)
    rest = [decision for number, decision in enumerate(last) if number not in taken]
    return [matches.get(stay) for stay in range(len(passages))], rest


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


def _chain_faults(chain: Sequence[Decision]) -> Iterator[Fault]:
    """A revision must supersede the one before it, on at least its evidence."""
    if chain[0].revision != 1:
        yield "conflicting", f"{name(chain[0])} has none before it"
    for before, after in pairwise(chain):
        if after.revision == before.revision:
            yield "conflicting", f"{name(after)} was published under two decision_ids"
        elif after.revision > before.revision + 1 or after.supersedes != before.decision_id:
            yield "conflicting", f"{name(after)} does not supersede the one before"
        if gone := evidence(before) - evidence(after):
            yield "conflicting", f"{name(after)} no longer has {min(gone)}"


def _stay_faults(passage: ProducedPassage, chain: Sequence[Decision]) -> Iterator[Fault]:
    """A stay must be decided for good, at first on all that had come in time."""
    if not chain:
        yield "lost", f"{passage.unit_id} was never decided"
        return
    last, settled = chain[-1], next((r for r in chain if r.status != "provisional"), None)
    if settled is None:
        yield "lost", f"{name(last)} is provisional and was never made final"
    elif unused := passage.observations - evidence(settled):
        yield "partial", f"{name(settled)} was first decided without {min(unused)}"
    if set(last.missing) != passage.left_out:
        said, truth = _words(last.missing), _words(passage.left_out)
        yield "wrong_missing", f"{name(last)} misses {said}; it is {truth}"
    for key in sorted(evidence(last) - passage.observations):
        yield "unexpected", f"{name(last)} lists {key}, not sent for it in time"


def _observation_faults(
    produced: Produced, found: Found, last: Sequence[Decision]
) -> Iterator[Fault]:
    """An observation must be evidence of one passage, or late if it was sent too late."""
    uses = Counter(key for decision in last for key in evidence(decision))
    late = frozenset(found.late)
    good = {key for passage in produced.passages for key in passage.observations}
    for key in [key for key, count in uses.items() if count > 1]:
        yield "conflicting", f"{key} is evidence of {uses[key]} passages"
    for key in sorted(good - uses.keys()):
        where = "in units.late, though sent in time" if key in late else "in no last revision"
        yield "lost", f"{key} is {where}"
    for key in sorted(late & uses.keys() & good):
        yield "unexpected", f"{key} is evidence, and in units.late too"
    for key in sorted(late - good - produced.late):
        yield "unexpected", f"{key} is in units.late, but was never sent"
    for key in sorted(produced.late - late):
        yield "lost", f"{key}, sent too late, is not in units.late"


def _words(modalities: Iterable[str]) -> str:
    return ", ".join(sorted(modalities)) or "nothing"
