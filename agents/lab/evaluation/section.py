"""What a part of the evaluation hands to the report."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import mean, stdev
from typing import Any


@dataclass(frozen=True, slots=True)
class Plot:
    """A figure, drawn when the report is written."""

    name: str
    """Of the file, without its suffix."""
    caption: str
    draw: Callable[[Any], None]
    """Draws on a matplotlib `Axes`."""


@dataclass(frozen=True, slots=True)
class Section:
    """One part: its text, its figures, and every number behind them."""

    name: str
    """Its key in the JSON."""
    title: str
    text: str
    """Markdown, tables included."""
    data: dict[str, Any]
    """As JSON."""
    plots: list[Plot] = field(default_factory=list)


def cell(values: Sequence[float], sign: str = "") -> str:
    """Mean and standard deviation over seeds, in per cent."""
    spread = f" ± {100 * stdev(values):.1f}" if len(values) > 1 else ""
    return f"{100 * mean(values):{sign}.1f}{spread}"


def paired(first: Sequence[float], second: Sequence[float]) -> dict[str, float]:
    """The mean difference of pairs and its standard error; 0 where there is a single pair."""
    gaps = [a - b for a, b in zip(first, second, strict=True)]
    error = stdev(gaps) / len(gaps) ** 0.5 if len(gaps) > 1 else 0.0
    return {"difference": mean(gaps), "standard_error": error}


def paired_cell(first: Sequence[float], second: Sequence[float]) -> str:
    """`paired` in percentage points."""
    found = paired(first, second)
    return f"{100 * found['difference']:+.1f} ± {100 * found['standard_error']:.1f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
