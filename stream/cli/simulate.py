"""`regrade simulate`: stations that do not exist, sending to a cluster that does."""

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from stream.cli.options import Bootstrap, Json, Prefix

if TYPE_CHECKING:
    from stream.demo.line import Line
    from stream.settings import Settings


def simulate(
    bootstrap_servers: Bootstrap = None,
    topic_prefix: Prefix = None,
    units: Annotated[int, typer.Option(min=1, help="How many returned laptops.")] = 300,
    rate: Annotated[float, typer.Option(min=0.01, help="How many enter the line a second.")] = 20.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the laptops and all that happens.")] = 1,
    prefix: Annotated[str, typer.Option(help="What unit_ids begin with.")] = "LT",
    span: Annotated[
        float, typer.Option(min=0.1, help="Seconds a unit takes from first to last station.")
    ] = 4.0,
    max_delay: Annotated[
        float, typer.Option(min=0.0, help="Seconds from capture to sending, at most.")
    ] = 1.0,
    dropout: Annotated[
        float, typer.Option(min=0, max=1, help="Chance that a station misses a unit.")
    ] = 0.15,
    duplicates: Annotated[
        float, typer.Option(min=0, max=1, help="Chance that an observation is sent twice.")
    ] = 0.0,
    returns: Annotated[
        float, typer.Option(min=0, max=1, help="Chance that a unit comes back later.")
    ] = 0.0,
    foreign_keys: Annotated[
        float, typer.Option(min=0, max=1, help="Share of stations that hash keys with CRC32.")
    ] = 0.0,
    damaged: Annotated[int, typer.Option(min=0, help="How many records nobody can use.")] = 0,
    late: Annotated[
        int, typer.Option(min=0, help="How many observations come when their stay is long over.")
    ] = 0,
    as_json: Json = False,
) -> int:
    """Send what simulated stations see of simulated laptops, at its own pace; Ctrl-C stops it.

    The same seed gives the same laptops and the same faults. Everything that was sent has been
    confirmed by the broker when the command ends well.
    """
    from agents.lab.simulator import LinePlan, LineTiming
    from stream.cli.output import result
    from stream.cli.signals import until_terminated
    from stream.demo.line import Line
    from stream.kafka.topics import Topics
    from stream.settings import Settings

    settings = Settings.load(bootstrap_servers=bootstrap_servers, topic_prefix=topic_prefix)
    timing = LineTiming(dropout, span, max_delay, duplicates)
    # A second stay must be a stay of its own.
    after = settings.window + settings.grace + span + max_delay
    now_ms = time.time_ns() // 1_000_000
    plan = LinePlan(units, seed, now_ms, rate, timing, returns, after, prefix)
    retired_ms = settings.window_ms + settings.grace_ms + settings.max_out_of_orderness_ms
    late_by_ms = max(2 * retired_ms, 600_000)
    line = Line(plan, Topics.of(settings), foreign_keys, damaged, late, late_by_ms)
    sent = 0

    def on_sent() -> None:
        nonlocal sent
        sent += 1

    try:
        asyncio.run(until_terminated(_send(settings, line, on_sent, quiet=as_json)))
    finally:
        figures = {
            "records": sent,
            "of": line.total,
            "units": units,
            "passages": len(line.passages),
            "observations": sum(len(stay.observations) for stay in line.passages),
            "damaged": damaged,
            "late": late,
            "foreign_stations": sorted(line.foreign_sources),
        }
        if as_json:
            result(figures)
        else:
            whole = "" if sent == line.total else f" of {line.total}, then it was stopped"
            typer.echo(f"{sent} records of {units} units were sent{whole}.")
    return 0


async def _send(
    settings: "Settings", line: "Line", on_sent: Callable[[], None], *, quiet: bool
) -> None:
    from itertools import chain

    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    from stream.cli.output import err
    from stream.demo.send import send_line

    columns = (*Progress.get_default_columns()[:-1], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err(), disable=quiet) as progress:
        bar = progress.add_task("records sent", total=line.total)

        def advance(*_: object) -> None:
            on_sent()
            progress.advance(bar)

        await send_line(settings, chain(line.timely(), line.overdue), advance)
