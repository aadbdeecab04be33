"""What became of the units: for people, and as JSON."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.console import Console

from agents.lab.simulator import Labels
from schemas.decision import Decision, Grade, Option
from schemas.modality import MODALITIES
from stream.demo.accuracy import accuracy
from stream.demo.demo import DemoResult
from stream.demo.tally import percentile
from stream.demo.words import bar, duration

BAR = 30


def as_dict(result: DemoResult) -> dict[str, Any]:
    """The summary for programs."""
    report, tally = result.report, result.tally
    decided = [decision for decision, _ in _pairs(result)]
    options = Counter(decision.routing.option for decision in decided)
    return {
        "ok": result.ok,
        "units": result.plan.units,
        "seed": result.plan.seed,
        "passages": report.passages,
        "decisions": report.decisions,
        "final": report.final,
        "provisional": report.provisional,
        "amended": report.amended,
        "lost": report.lost,
        "conflicting": report.conflicting,
        "wrong_missing": report.wrong_missing,
        "partial": report.partial,
        "unexpected": report.unexpected,
        "repeats": report.repeats,
        "late": report.late,
        "dead_letters": report.dead_letters,
        "held_for_human": sum(decision.routing.hold_for_human for decision in decided),
        "disassembly": {
            "units": sum(bool(decision.disassembly.steps) for decision in decided),
            "parts": dict(_removed(decided).most_common()),
            "expected_value": round(sum(d.disassembly.expected_value for d in decided), 2),
        },
        "accuracy": asdict(accuracy(_pairs(result))),
        "by_option": {option.value: options[option] for option in Option},
        # From the last observation of a complete passage to its decision at the consumer.
        "latency_ms": _percentiles(tally.reactions),
        # From the end of the window of an incomplete one.
        "after_window_ms": _percentiles(tally.waits),
        "seconds": round(result.seconds, 1),
        "examples": {kind: list(cases) for kind, cases in report.examples.items()},
        "worker_faults": list(result.worker_faults),
    }


def show(result: DemoResult, console: Console) -> None:
    """The summary for people."""
    for text in _lines(result):
        console.print(text, soft_wrap=True, markup=False)


def _pairs(result: DemoResult) -> list[tuple[Decision, Labels]]:
    """The last revision of each decided stay, and the truth about its unit."""
    return [
        (outcome.decision, passage.unit.labels)
        for outcome, passage in zip(result.report.outcomes, result.line.passages, strict=True)
        if outcome.decision is not None
    ]


def _percentiles(seconds: list[float]) -> dict[str, float | None]:
    found = {f"p{n}": percentile(seconds, n) for n in (50, 99)}
    return {name: None if at is None else round(at * 1000, 1) for name, at in found.items()}


def _lines(result: DemoResult) -> Iterator[str]:
    plan, line, report, tally = result.plan, result.line, result.report, result.tally
    pairs = _pairs(result)
    decided = [decision for decision, _ in pairs]
    yield ""
    yield (
        f"{plan.units} returned laptops crossed the line, {len(decided)} were decided,"
        f" in {result.seconds:.0f} s with all the set-up. Where they go:"
    )
    options = Counter(decision.routing.option for decision in decided)
    for option in Option:
        share = options[option] / max(len(decided), 1)
        yield f"  {option.value:<14}{options[option]:>5}  {bar(share, BAR)}"
    grades = Counter(decision.quality.grade for decision in decided)
    held = sum(decision.routing.hold_for_human for decision in decided)
    yield f"Grades: {', '.join(f'{grades[grade]} {grade.value}' for grade in Grade)}."
    yield from _disassembly(decided)
    yield f"Held for a human, since the distiller was not sure enough: {held}."

    missing = Counter(modality for decision in decided for modality in decision.missing)
    left_out = ", ".join(f"{m.value} {missing[m]}" for m in MODALITIES if missing[m])
    complete = sum(not decision.missing for decision in decided)
    yield f"All six modalities were seen of {complete}. Left out by stations: {left_out or '-'}."

    truth = accuracy(pairs)
    yield (
        "Right, by the simulator's truth:"
        f" routing {_percent(truth.routing)}, quality {_percent(truth.quality)},"
        f" material {_percent(truth.material)}."
    )
    p50, p99 = (duration(percentile(tally.reactions, percent)) for percent in (50, 99))
    yield f"From the last of six observations to the decision: p50 {p50}, p99 {p99}."
    wait = duration(percentile(tally.waits, 50))
    yield (
        f"Incomplete units were decided {wait} (p50) after the end of their window, since stations"
        " may report a little late."
    )

    yield (
        f"{len(line.foreign_sources)} stations hash keys in another way, which is all the same to"
        " the line: the extract stage brings what was seen of a unit to one home partition."
    )
    yield (
        f"{len(line.produced.damaged)} damaged records were sent, {report.dead_letters} are dead"
        f" letters; {len(line.produced.late)} observations came far too late,"
        f" {report.late} are in units.late."
    )
    yield ""
    yield from _verdict(result)


def _removed(decided: list[Decision]) -> Counter[str]:
    """Of how many units each part comes out for good."""
    steps = (step for decision in decided for step in decision.disassembly.steps)
    return Counter(step.part for step in steps if not step.put_back)


def _disassembly(decided: list[Decision]) -> Iterator[str]:
    plans = [decision.disassembly for decision in decided if decision.disassembly.steps]
    hazardous = sum(any(step.hazardous for step in plan.steps) for plan in plans)
    yield f"To be opened: {len(plans)}, of which {hazardous} with a hazardous part first."
    parts = ", ".join(f"{part} {count}" for part, count in _removed(decided).most_common())
    hours = sum(step.labour_s for plan in plans for step in plan.steps) / 3600
    value = sum(plan.expected_value for plan in plans)
    yield f"  Out for good: {parts or '-'}; worth {value:.0f} after {hours:.1f} h of labour."


def _verdict(result: DemoResult) -> Iterator[str]:
    report = result.report
    yield (
        f"Audit of the topics against what was sent: {report.lost} lost,"
        f" {report.conflicting} conflicting, {report.partial} decided on part of their evidence,"
        f" {report.wrong_missing} wrong about what is missing, {report.unexpected} unexpected."
    )
    for kind, cases in report.examples.items():
        for case in cases:
            yield f"  {kind}: {case}"
    for fault in result.worker_faults:
        yield f"  {fault}"
    yield "Everything is as it should be." if result.ok else "This is a failure: exit code 1."


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f} %"
