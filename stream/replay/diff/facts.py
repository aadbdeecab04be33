"""What is compared of a decision, and where two of them differ."""

from typing import NamedTuple

from agents.decide.policy import Policy
from schemas.decision import Decision
from stream.replay.diff.worth import Worth, worth_of

SAME_VALUE = ("option", "hold", "grade", "material", "reasons", "plan", "evidence", "missing")
ASPECTS = ("presence", *SAME_VALUE, "confidence", "revision", "status", "earlier")
"""All in which two stays may differ (`stream/README.md`, "Two sets of decisions")."""

Changes = dict[str, tuple[object, object]]
"""By aspect what stands on either side, as JSON has it; of sets what only that side has."""


class Facts(NamedTuple):
    """What a consumer acts on in one revision, and what it is worth.

    Not in it: when it was decided, how it is named, where its evidence lay, which model decided.
    """

    unit_id: str
    passage_id: str
    opened_at: int
    """ms since 1970 UTC."""
    revision: int
    status: str
    option: str
    hold: bool
    grade: str
    material: str
    reasons: frozenset[str]
    plan: tuple[str, ...]
    """The parts to take out, in order."""
    evidence: frozenset[str]
    """`modality observation_id` of each observation, which names it within its unit."""
    times: frozenset[str]
    """The same with `captured_at`: where stations count anew each day, it tells stays apart."""
    missing: frozenset[str]
    confidence: float
    worth: Worth | None

    @classmethod
    def of(cls, decision: Decision, policy: Policy) -> "Facts":
        routing = decision.routing
        return cls(
            decision.unit_id,
            decision.passage_id,
            round(decision.passage.opened_at.timestamp() * 1000),
            decision.revision,
            decision.status,
            routing.option.value,
            routing.hold_for_human,
            decision.quality.grade.value,
            decision.material.type.value,
            frozenset(routing.reasons),
            tuple(step.part for step in decision.disassembly.steps),
            frozenset(f"{each.modality} {each.observation_id}" for each in decision.evidence),
            frozenset(
                f"{each.modality} {each.observation_id} {each.captured_at.timestamp()}"
                for each in decision.evidence
            ),
            frozenset(str(modality) for modality in decision.missing),
            decision.confidence,
            worth_of(decision, policy),
        )


Stay = tuple[Facts, ...]
"""The revisions of one passage, ascending; at least one."""


def changes(a: Stay | None, b: Stay | None, tolerance: float) -> Changes:
    """Returns the aspects in which two stays differ, none perhaps.

    The last revisions are compared; where both have as many, the earlier ones too.

    Args:
        tolerance: by how much confidences may differ.
    """
    if a is None or b is None:
        return {"presence": (a is not None, b is not None)}
    found = _changes(a[-1], b[-1], tolerance)
    if [facts.revision for facts in a] == [facts.revision for facts in b]:
        for one, other in zip(a[:-1], b[:-1], strict=True):
            for name, (x, y) in _changes(one, other, tolerance).items():
                of = f"revision {one.revision}, {name}"
                found.setdefault("earlier", (f"{of}: {x}", f"{of}: {y}"))
    return found


def _changes(a: Facts, b: Facts, tolerance: float) -> Changes:
    found: Changes = {}
    for name in (*SAME_VALUE, "revision", "status"):
        one, other = getattr(a, name), getattr(b, name)
        if isinstance(one, frozenset):
            one, other = sorted(one - other), sorted(other - one)
        if one != other:
            found[name] = (one, other)
    if abs(a.confidence - b.confidence) > tolerance:
        found["confidence"] = (a.confidence, b.confidence)
    return found
