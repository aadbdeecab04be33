"""The live board: one picture of a tally."""

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from schemas.decision import Option
from schemas.modality import MODALITIES
from stream.demo.tally import Tally, percentile
from stream.demo.words import bar, duration, finding, seen

BAR = 16
WIDE = 40
COLOURS = {
    Option.RESELL: "green",
    Option.REFURBISH: "cyan",
    Option.REMANUFACTURE: "blue",
    Option.HARVEST: "magenta",
    Option.RECYCLE: "yellow",
    Option.HAZARDOUS: "red",
}


def board(title: str, tally: Tally) -> RenderableType:
    """The board at this moment."""
    middle = Table.grid(expand=True, padding=(0, 1))
    for _ in range(3):
        middle.add_column(ratio=1)
    middle.add_row(
        Panel(_in_flight(tally), title="on the line, undecided"),
        Panel(_options(tally), title="decisions by option"),
        Panel(_figures(tally), title="delivery"),
    )
    latest = Panel(_latest(tally), title="latest decisions")
    return Panel(Group(_progress(tally), middle, latest), title=title, border_style="bold")


def _progress(tally: Tally) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    for label, done, total in (
        ("sent", tally.sent, tally.total),
        ("decided", tally.decided, tally.passages),
    ):
        share = done / total if total else 0.0
        grid.add_row(label, Text(bar(share, WIDE).ljust(WIDE, "·")), f"{done} of {total}")
    return grid


def _in_flight(tally: Tally) -> RenderableType:
    counts = tally.in_flight
    most = max(counts.values(), default=1)
    grid = Table.grid(padding=(0, 1))
    for number in range(1, len(MODALITIES) + 1):
        share = counts[number] / most
        grid.add_row(f"{number} of {len(MODALITIES)} seen", str(counts[number]), bar(share, BAR))
    return grid


def _options(tally: Tally) -> RenderableType:
    counts = tally.options
    most = max(counts.values(), default=1)
    grid = Table.grid(padding=(0, 1))
    for option in Option:
        count = counts[option.value]
        grid.add_row(option.value, str(count), Text(bar(count / most, BAR), COLOURS[option]))
    return grid


def _figures(tally: Tally) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    p50, p99 = (duration(percentile(tally.reactions, percent)) for percent in (50, 99))
    grid.add_row("last seen to decided, p50", p50)
    grid.add_row("p99", p99)
    grid.add_row("amended", str(tally.amended))
    grid.add_row("late", str(tally.late))
    grid.add_row("dead letters", str(tally.dead_letters))
    return grid


def _latest(tally: Tally) -> RenderableType:
    grid = Table.grid(padding=(0, 2), expand=True)
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(ratio=3, no_wrap=True, overflow="ellipsis")
    grid.add_column(ratio=2, no_wrap=True, overflow="ellipsis", style="dim")
    for decision in reversed(tally.latest):
        option = decision.routing.option
        grid.add_row(
            decision.unit_id, Text(option.value, COLOURS[option]), finding(decision), seen(decision)
        )
    for _ in range((tally.latest.maxlen or 0) - len(tally.latest)):
        grid.add_row("")
    return grid
