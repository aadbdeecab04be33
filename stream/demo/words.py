"""Decisions in words."""

from schemas.decision import Decision
from schemas.modality import MODALITIES


def finding(decision: Decision) -> str:
    """Returns what was found, and why the unit goes where it goes."""
    reasons = ", ".join(decision.routing.reasons).replace("-", " ") or "no fault found"
    unsure = "; unsure: a human looks first" if decision.routing.hold_for_human else ""
    grade, material = decision.quality.grade.value, decision.material.type.value
    return f"grade {grade} {material} housing; {reasons}{unsure}"


def seen(decision: Decision) -> str:
    """Returns how much of the unit was seen, and what was not."""
    if not decision.missing:
        return f"all {len(MODALITIES)} modalities"
    return f"without {', '.join(modality.value for modality in decision.missing)}"


def removal(decision: Decision) -> str:
    """Returns the parts that come out for good, in order; empty without any."""
    parts = [
        f"{step.part} (hazardous)" if step.hazardous else step.part
        for step in decision.disassembly.steps
        if not step.put_back
    ]
    return f"take out {', '.join(parts)}" if parts else ""
