"""The live board: one picture of a tally."""

from collections import Counter

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from schemas.decision import Option
from stream.demo.tally import Tally, percentiles
from stream.demo.words import finding, seen

LATEST = 6  # decisions that are shown
COLOURS = dict(zip(Option, ("green", "cyan", "blue", "magenta", "yellow", "red"), strict=True))


def board(title: str, tally: Tally) -> RenderableType:
    """Returns the board at this moment."""
    progress, options = Table.grid(padding=(0, 1)), Table.grid(padding=(0, 1))
    decided = list(tally.decided.values())
    counts = Counter(decision.routing.option for decision in decided)
    bars = ("sent", tally.sent, tally.records), ("decided", len(decided), tally.units)
    for label, done, total in bars:
        progress.add_row(label, ProgressBar(max(total, 1), done, width=40), f"{done} of {total}")
    for option, colour in COLOURS.items():
        bar = ProgressBar(max([1, *counts.values()]), counts[option], width=16)
        bar.complete_style = bar.finished_style = colour
        options.add_row(option.value, str(counts[option]), bar)
    p50, p99 = percentiles(tally.reactions).values()
    figures = (
        f"on the line, undecided: {max(len(tally.seen) - len(decided), 0)}\n"
        f"last seen to decided:\n  p50 {p50 or '-'} ms\n  p99 {p99 or '-'} ms\n"
        f"late: {tally.late}\ndead letters: {tally.dead_letters}"
    )
    latest = Text(overflow="ellipsis", no_wrap=True)
    for decision in decided[: -LATEST - 1 : -1]:
        option = decision.routing.option
        latest.append(f"{decision.unit_id}  ").append(f"{option.value:<13}", COLOURS[option])
        latest.append(f"  {finding(decision)}; {seen(decision)}\n")
    latest.append("\n" * (LATEST - len(decided)))
    panels = Panel(options, title="decisions by option"), Panel(figures, title="delivery")
    body = Group(progress, Columns(panels), Panel(latest, title="latest decisions"))
    return Panel(body, title=title, border_style="bold")
