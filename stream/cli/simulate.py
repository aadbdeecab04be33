"""`regrade simulate`: stations that do not exist, sending to a cluster that does."""

import asyncio
import time
from itertools import chain
from typing import Annotated

import typer

from stream.cli.options import Bootstrap, Json, Prefix


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
    from rich.progress import MofNCompleteColumn, Progress

    from agents.lab.simulator import LinePlan, LineTiming
    from stream.cli.output import err, result
    from stream.cli.signals import until_terminated
    from stream.demo.line import Line
    from stream.demo.send import send_line
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

    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    progress = Progress(*columns, console=err(), disable=as_json)
    bar = progress.add_task("records sent", total=line.total)
    items = chain(line.timely(), line.overdue)
    sending = send_line(settings, items, lambda *_: progress.advance(bar))
    try:
        with progress:
            asyncio.run(until_terminated(sending))
    finally:
        sent = int(progress.tasks[0].completed)
        if as_json:
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
            result(figures)
        else:
            stopped = "" if sent == line.total else ", then it was stopped"
            typer.echo(f"{sent} of {line.total} records were sent{stopped}.")
    return 0
