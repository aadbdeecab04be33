"""Decisions in words and numbers as people write them."""

from schemas.decision import Decision
from schemas.modality import MODALITIES


def finding(decision: Decision) -> str:
    """What was found, and why the unit goes where it goes."""
    parts = [f"grade {decision.quality.grade.value} {decision.material.type.value} housing"]
    if decision.routing.reasons:
        parts.append(", ".join(reason.replace("-", " ") for reason in decision.routing.reasons))
    else:
        parts.append("no fault found")
    if decision.routing.hold_for_human:
        parts.append("unsure: a human looks first")
    return "; ".join(parts)


def seen(decision: Decision) -> str:
    """How much of the unit was seen, and what was not."""
    if not decision.missing:
        return f"all {len(MODALITIES)} modalities"
    return f"without {', '.join(modality.value for modality in decision.missing)}"


def removal(decision: Decision) -> str:
    """The parts that come out for good, in order, hazardous ones marked; empty without any."""
    parts = [
        f"{step.part} (hazardous)" if step.hazardous else step.part
        for step in decision.disassembly.steps
        if not step.put_back
    ]
    return f"take out {', '.join(parts)}" if parts else ""


def duration(seconds: float | None) -> str:
    """Milliseconds while they are few; a dash for None."""
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def bar(share: float, width: int) -> str:
    """A bar of blocks, at least one for anything above zero."""
    filled = round(min(max(share, 0.0), 1.0) * width)
    return "█" * max(filled, int(share > 0))
