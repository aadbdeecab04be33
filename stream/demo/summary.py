"""What became of the units: the audit's report, and what was decided."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from itertools import chain
from statistics import mean
from typing import Any

from rich.console import Console
from rich.table import Table

from schemas.decision import Option
from stream.demo.line import Line
from stream.demo.tally import Tally, percentiles
from stream.replay.audit import AuditReport


def summary(
    line: Line, tally: Tally, report: AuditReport, worker_faults: Sequence[str], seconds: float
) -> dict[str, Any]:
    """Returns the summary as JSON has it; a unit counts with its last revision."""
    decided = [
        (outcome.decision, passage.unit.labels)
        for outcome, passage in zip(report.outcomes, line.passages, strict=True)
        if outcome.decision is not None
    ]
    right = {
        "quality": [d.quality.grade is truth.quality for d, truth in decided],
        "material": [d.material.type is truth.material for d, truth in decided],
        "routing": [d.routing.option is truth.routing for d, truth in decided],
    }
    options = Counter(decision.routing.option for decision, _ in decided)
    plans = [decision.disassembly for decision, _ in decided if decision.disassembly.steps]
    parts = Counter(step.part for plan in plans for step in plan.steps if not step.put_back)
    audited = {f.name: getattr(report, f.name) for f in fields(report) if f.name != "outcomes"}
    return {
        "ok": report.ok and not worker_faults,
        "units": line.plan.units,
        "seed": line.plan.seed,
        **audited,
        "held_for_human": sum(decision.routing.hold_for_human for decision, _ in decided),
        "disassembly": {
            "units": len(plans),
            "parts": dict(parts.most_common()),
            "expected_value": round(sum(plan.expected_value for plan in plans), 2),
        },
        "accuracy": {k: round(mean(each), 4) if decided else None for k, each in right.items()},
        "by_option": {option.value: options[option] for option in Option},
        # From the last observation of a complete passage to its decision at the consumer.
        "latency_ms": percentiles(tally.reactions),
        "seconds": round(seconds, 1),
        "worker_faults": list(worker_faults),
    }


def show(found: dict[str, Any], console: Console) -> None:
    """Prints a summary for people, under the names that it has for programs."""
    console.out(f"{found['units']} returned laptops crossed the line. What became of them:")
    table = Table.grid(padding=(0, 2))
    for name, value in found.items():
        if name not in ("ok", "worker_faults", "examples"):
            table.add_row("", name.replace("_", " "), _words(value))
    console.print(table)
    for fault in (*found["worker_faults"], *chain(*found["examples"].values())):
        console.out(f"  {fault}")
    console.out("Everything is as it should be." if found["ok"] else "A failure: exit code 1.")


def _words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_words(one)}" for name, one in value.items()) or "-"
    return "-" if value is None else str(value)
