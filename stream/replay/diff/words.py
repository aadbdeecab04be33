"""A report as JSON has it, and differences in words."""

from collections.abc import Sequence
from typing import Any

from stream.replay.diff.compare import ABSENT, Pair, Report
from stream.replay.diff.facts import Facts
from stream.replay.diff.sources import Source

LISTED = 4
"""Parts or observations that a line names."""


def in_words(pair: Pair) -> str:
    """Returns what differs in a stay, in one line."""
    if pair.a is None or pair.b is None:
        return f"only {'B' if pair.a is None else 'A'} decided it"
    return "; ".join(
        f"{aspect} {_brief(one)} → {_brief(other)}" for aspect, (one, other) in pair.changes.items()
    )


def warnings(sources: Sequence[Source]) -> list[str]:
    """Returns what makes a comparison of these less than whole."""
    said = []
    for each in sources:
        if each.skipped:
            said.append(f"{each.name}: {each.skipped:,} records are no decisions; passed over")
        said += [f"{each.name} is damaged: {piece}" for piece in each.damage]
    return said


def pair_json(pair: Pair) -> dict[str, Any]:
    """Returns a stay as JSON has it."""
    return {
        "unit_id": pair.either.unit_id,
        "a": _side_json(pair.a),
        "b": _side_json(pair.b),
        "value": round(pair.gain.money, 2),
        "co2_kg": round(pair.gain.co2, 2),
        "changes": {name: {"a": one, "b": other} for name, (one, other) in pair.changes.items()},
    }


def report_json(report: Report, sources: Sequence[Source]) -> dict[str, Any]:
    """Returns a report as JSON has it."""
    gained, lost = report.gained, report.lost
    return {
        "same": report.same,
        **{
            side: {
                "source": sources[number].name,
                "decisions": report.decisions[number],
                "repeats": report.repeats[number],
                "skipped": sources[number].skipped,
                "damage": list(sources[number].damage),
            }
            for number, side in enumerate("ab")
        },
        "pairs": report.pairs,
        "different": report.different,
        "only_a": report.only_a,
        "only_b": report.only_b,
        "awaited": report.awaited,
        "aspects": dict(report.aspects.most_common()),
        "options": [
            {"a": one, "b": other, "stays": count}
            for (one, other), count in sorted(report.options.items())
        ],
        "currency": report.currency,
        "gained": {"value": round(gained.money, 2), "co2_kg": round(gained.co2, 2)},
        "lost": {"value": round(lost.money, 2), "co2_kg": round(lost.co2, 2)},
        "worst": [pair_json(pair) for pair in report.worst],
    }


def options_of(report: Report) -> list[str]:
    """Returns the options that the sides chose, the absent one last."""
    found = {option for both in report.options for option in both}
    return sorted(found, key=lambda option: (option == ABSENT, option))


def _side_json(facts: Facts | None) -> dict[str, Any] | None:
    if facts is None:
        return None
    return {
        "passage_id": facts.passage_id,
        "revision": facts.revision,
        "option": facts.option,
        "confidence": facts.confidence,
    }


def _brief(value: object) -> str:
    if isinstance(value, list | tuple):
        more = [f"{len(value) - LISTED} more"] if len(value) > LISTED else []
        return ", ".join([*map(str, value[:LISTED]), *more]) or "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
