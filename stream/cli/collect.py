"""`regrade collect`: training data that a running line gives for nothing."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli.options import Bootstrap, Json, Prefix

if TYPE_CHECKING:
    from stream.replay.collect import Collected
    from stream.replay.collect.collect import Progress

LIMIT = 24_000
"""As many as training takes of simulated units in their place; some 2 GB of memory."""


def collect(
    out: Annotated[
        Path,
        typer.Option("--out", "-o", dir_okay=False, help="The file, for `regrade train`."),
    ],
    bootstrap_servers: Bootstrap = None,
    topic_prefix: Prefix = None,
    limit: Annotated[
        int,
        typer.Option(min=1, help="The most recent passages, at most; 28 KB each in the file."),
    ] = LIMIT,
    as_json: Json = False,
) -> int:
    """Collect what decided units looked like to all stations, as training data without labels.

    Reads the decisions and then the features of what they name; changes nothing on the cluster.
    What retention has deleted is counted and left out.
    """
    from stream.replay.collect import collect as run
    from stream.settings import Settings

    settings = Settings.load(bootstrap_servers=bootstrap_servers, topic_prefix=topic_prefix)
    started = time.monotonic()
    with _progress_bars(quiet=as_json) as progress:
        found = asyncio.run(run(settings, out, limit=limit, progress=progress))
    seconds = round(time.monotonic() - started, 1)
    if as_json:
        from stream.cli.output import result

        result(_as_json(found, seconds))
    else:
        _show(found, seconds)
    return 0


@contextmanager
def _progress_bars(*, quiet: bool) -> Iterator["Progress"]:
    from rich.progress import MofNCompleteColumn, Progress, TaskID, TimeRemainingColumn

    from stream.cli.output import err

    columns = (*Progress.get_default_columns()[:-1], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err(), disable=quiet) as bars:
        tasks: dict[str, TaskID] = {}

        def progress(topic: str, done: int, total: int) -> None:
            if topic not in tasks:
                tasks[topic] = bars.add_task(f"{topic} read", total=total)
            bars.update(tasks[topic], completed=done, total=total)

        yield progress


def _as_json(found: "Collected", seconds: float) -> dict[str, Any]:
    return {
        "path": str(found.path),
        "sha256": found.sha256,
        "units": found.units,
        "modalities": {modality.value: count for modality, count in found.modalities.items()},
        "gone": found.gone,
        "unreadable": found.unreadable,
        "emptied": found.emptied,
        "skipped": found.skipped,
        "seconds": seconds,
    }


def _show(found: "Collected", seconds: float) -> None:
    seen = ", ".join(f"{modality} {count:,}" for modality, count in found.modalities.items())
    typer.echo(f"{found.units:,} units, of these with {seen}.")
    lost = {
        "observations are gone from the features topic": found.gone,
        "observations were extracted by another version": found.unreadable,
        "passages were left out, since nothing is left of them": found.emptied,
        "records among the decisions are none of ours": found.skipped,
    }
    for what, count in lost.items():
        if count:
            typer.echo(f"{count:,} {what}.")
    typer.echo(f"{found.path} (sha256 {found.sha256[:12]}...) in {seconds:g} s")
    typer.echo(f"To train on them: regrade train --out FILE --collected {found.path}")
