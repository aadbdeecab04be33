"""`regrade demo`: see the whole of it at work, with one command."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from stream.cli.options import Json


def demo(
    units: Annotated[int, typer.Option(min=1, help="How many returned laptops.")] = 300,
    rate: Annotated[
        float, typer.Option(min=0.1, max=1000, help="How many enter the line a second.")
    ] = 40.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the laptops and all that happens.")] = 7,
    workers: Annotated[int, typer.Option(min=1, max=6, help="Worker processes.")] = 1,
    record: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Record all topics into this folder in the end."),
    ] = None,
    as_json: Json = False,
) -> int:
    """Watch simulated laptops cross the line: a broker, workers, stations, decisions, an audit.

    Needs nothing, and leaves nothing behind but what you --record. Ends with what became of the
    units, and with an audit that compares what was sent with what was decided; exit code 1 if that
    finds any fault. With --json the last line on stdout is the summary as one JSON object.
    """
    from agents.lab.simulator import LinePlan
    from stream.cli.output import err, out, result
    from stream.cli.signals import until_terminated
    from stream.demo.demo import TIMING, run_demo
    from stream.demo.summary import show

    if record is not None and record.exists() and any(record.iterdir()):
        raise typer.BadParameter(f"--record {record} is not empty; name a new folder")
    console = err() if as_json else out()
    plan = LinePlan(units, seed, 0, rate, TIMING)
    found = asyncio.run(until_terminated(run_demo(plan, workers, console, record)))
    show(found, console)
    if as_json:
        result(found)
    return 0 if found["ok"] else 1
