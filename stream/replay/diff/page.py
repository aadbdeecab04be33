"""A report as one HTML page that needs nothing else: styles and plots are in it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from jinja2 import Environment, PackageLoader, StrictUndefined

from stream.replay.diff.compare import CONFIDENCE_BINS, GAIN_BIN, Report
from stream.replay.diff.sources import Source
from stream.replay.diff.words import in_words, options_of, warnings

PLOT_WIDTH, PLOT_HEIGHT, PLOT_LEFT = 400, 180, 30
CELL, GRID_LEFT, GRID_BOTTOM = 19, 40, 400
"""Of the plot of confidences, in the template's units: 20 cells make 380."""
BARS = 40
"""Of the histogram, at most: wider bins take in what is far out."""


@dataclass(frozen=True, slots=True)
class Bar:
    low: int
    high: int
    count: int
    x: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Cell:
    a: str
    b: str
    count: int
    x: int
    y: int
    shade: float


def page(report: Report, sources: Sequence[Source], tolerance: float) -> str:
    """Returns the HTML of a report."""
    environment = Environment(
        loader=PackageLoader("stream.replay.diff", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    rows: Counter[str] = Counter()
    for (option, _), count in report.options.items():
        rows[option] += count
    return environment.get_template("page.html").render(
        r=report,
        a=sources[0].name,
        b=sources[1].name,
        tolerance=tolerance,
        made_at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        warnings=warnings(sources),
        options=options_of(report),
        shade=lambda row, count: 0.1 + 0.5 * count / rows[row],
        gains=_bars(report.gains),
        confidences=_cells(report.confidences),
        num=lambda number: f"{number:,}",
        signed=lambda number: f"{number:+,.2f}" if round(number, 2) else "0",
        in_words=in_words,
    )


def _bars(gains: Counter[int]) -> list[Bar]:
    if not gains:
        return []
    step = -(-(max(gains) + 1 - min(gains)) // BARS)
    # Nothing gained, nothing lost is the edge of a bar.
    bars = range(min(gains) // step * step, max(gains) + 1, step)
    counts = [sum(gains[each] for each in range(first, first + step)) for first in bars]
    width = PLOT_WIDTH / len(counts)
    return [
        Bar(
            first * GAIN_BIN,
            (first + step) * GAIN_BIN,
            count,
            PLOT_LEFT + width * index,
            width - 1,
            PLOT_HEIGHT * count / max(counts),
        )
        for index, (first, count) in enumerate(zip(bars, counts, strict=True))
    ]


def _cells(confidences: Counter[tuple[int, int]]) -> list[Cell]:
    most = max(confidences.values(), default=1)
    return [
        Cell(
            f"{a / CONFIDENCE_BINS:.2f}",
            f"{b / CONFIDENCE_BINS:.2f}",
            count,
            GRID_LEFT + CELL * a,
            GRID_BOTTOM - CELL * (b + 1),
            # The root: a few stays off the diagonal are what one looks for.
            0.15 + 0.85 * (count / most) ** 0.5,
        )
        for (a, b), count in sorted(confidences.items())
    ]
