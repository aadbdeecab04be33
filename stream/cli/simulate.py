"""`regrade simulate`: stations that do not exist, sending to a cluster that does."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from stream.cli.options import Bootstrap, Json, Prefix

if TYPE_CHECKING:
    from agents.lab.simulator import LinePlan
    from stream.demo.line import Line
    from stream.demo.tally import Tally
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
    from stream.demo.tally import Tally
    from stream.settings import Settings

    settings = Settings.load(bootstrap_servers=bootstrap_servers, topic_prefix=topic_prefix)
    from agents.lab.simulator import LinePlan, LineTiming

    timing = LineTiming(dropout, span, max_delay, duplicates)
    # A second stay must be a stay of its own.
    after = settings.window + settings.grace + span + max_delay
    line = _line(
        settings,
        LinePlan(units, seed, _now_ms(), rate, timing, returns, after, prefix),
        foreign_keys,
        damaged,
        late,
    )
    tally = Tally(total=line.total, passages=len(line.passages))
    from stream.cli.signals import until_terminated

    try:
        asyncio.run(until_terminated(_send(settings, line, tally, quiet=as_json)))
    finally:
        _summarise(line, tally, as_json)
    return 0


def _line(
    settings: "Settings", plan: "LinePlan", foreign: float, damaged: int, late: int
) -> "Line":
    from stream.demo.line import Line
    from stream.kafka.topics import Topics

    horizon = settings.window_ms + settings.grace_ms + settings.max_out_of_orderness_ms
    return Line(
        plan, Topics.of(settings), foreign, damaged, late, late_by_ms=max(2 * horizon, 600_000)
    )


async def _send(settings: "Settings", line: "Line", tally: "Tally", *, quiet: bool) -> None:
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    from stream.cli.output import err
    from stream.demo.sender import LineSender

    columns = (*Progress.get_default_columns()[:-1], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err(), disable=quiet) as progress:
        bar = progress.add_task("records sent", total=line.total)
        async with LineSender(settings, line.foreign_sources) as sender:

            def on_sent(item: object, at: float) -> None:
                tally.note_sent(item, at)  # type: ignore[arg-type]
                progress.update(bar, completed=tally.sent)

            await sender.run(line.items(), on_sent)


def _summarise(line: "Line", tally: "Tally", as_json: bool) -> None:
    from stream.cli.output import result

    figures = {
        "records": tally.sent,
        "of": line.total,
        "units": len(tally.stays),
        "passages": len(line.passages),
        "observations": sum(len(stay.sent) for stay in tally.stays.values()),
        "damaged": len(line.produced.damaged),
        "late": len(line.produced.late),
        "foreign_stations": sorted(line.foreign_sources),
    }
    if as_json:
        result(figures)
        return
    whole = "" if tally.sent == line.total else f" of {line.total}, then it was stopped"
    typer.echo(f"{tally.sent} records of {len(tally.stays)} units were sent{whole}.")


def _now_ms() -> int:
    import time

    return time.time_ns() // 1_000_000
