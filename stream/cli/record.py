"""`regrade record`: what lies on the topics, and what comes, into a folder."""

import asyncio
import time
from collections import Counter, deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli.options import Bootstrap, Json, Prefix

if TYPE_CHECKING:
    from rich.table import Table

    from stream.replay.record import Recorder

MEGABYTE = 1_000_000
RATE_LOOKS = 12
"""Over how many looks, four a second, a rate is taken."""


def record(
    out: Annotated[Path, typer.Argument(metavar="FOLDER", file_okay=False)],
    bootstrap_servers: Bootstrap = None,
    topic_prefix: Prefix = None,
    topics: Annotated[
        str | None,
        typer.Option(help="Their whole names, by commas. [default: all of the line]"),
    ] = None,
    start: Annotated[
        str,
        typer.Option("--from", metavar="beginning|now|OFFSET|TIME", help="Where to begin."),
    ] = "beginning",
    until: Annotated[
        str | None,
        typer.Option(metavar="end|OFFSET|TIME", help="Where to end. [default: at Ctrl-C]"),
    ] = None,
    count: Annotated[int | None, typer.Option(min=1, help="End after so many records.")] = None,
    idle: Annotated[
        float | None, typer.Option(min=0.1, help="End after so many seconds without a record.")
    ] = None,
    file_mb: Annotated[int, typer.Option(min=1, help="Begin another file after so many MB.")] = 64,
    file_minutes: Annotated[
        float | None, typer.Option(min=0.1, help="And after so many minutes of records.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the recording in the folder.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Record topics byte for byte, until Ctrl-C or another end.

    TIME is ISO 8601, such as 2026-11-25T08:00:00Z, and means the timestamp of records. What has
    been recorded is on disk within a second: after a crash, run it again with --resume, and
    nothing is missing or twice.
    """
    from stream.cli.signals import until_terminated
    from stream.kafka.quiet import quieten_client
    from stream.replay.record import Place, Recorder
    from stream.settings import Settings

    settings = Settings.load(bootstrap_servers=bootstrap_servers, topic_prefix=topic_prefix)
    recorder = Recorder(
        settings,
        out,
        topics=None if topics is None else [name.strip() for name in topics.split(",")],
        start=Place.parse("--from", start),
        until=None if until is None else Place.parse("--until", until),
        count=count,
        idle=idle,
        max_file_bytes=file_mb * MEGABYTE,
        max_file_ms=None if file_minutes is None else round(file_minutes * 60_000),
        resume=resume,
    )
    quieten_client()
    started = time.monotonic()
    # Ctrl-C is how it ends, and no failure.
    with suppress(KeyboardInterrupt):
        asyncio.run(until_terminated(_run(recorder, quiet=as_json)))
    if as_json:
        from stream.cli.output import result

        result(_as_json(recorder, out, time.monotonic() - started))
    else:
        total, size = recorder.records.total(), recorder.bytes.total()
        typer.echo(f"{total:,} records, {size / MEGABYTE:,.1f} MB, are in {out}")
    return 0


async def _run(recorder: "Recorder", *, quiet: bool) -> None:
    from rich.live import Live

    from stream.cli.output import err

    if quiet:
        await recorder.run()
    else:
        with Live(get_renderable=_Board(recorder).table, console=err(), transient=True):
            await recorder.run()


class _Board:
    """How much has come of each topic, and how fast."""

    def __init__(self, recorder: "Recorder") -> None:
        self._recorder = recorder
        self._past: deque[tuple[float, Counter[str], Counter[str]]] = deque(maxlen=RATE_LOOKS)

    def table(self) -> "Table":
        from rich.table import Table

        table = Table("topic", box=None)
        for heading in ("partitions", "records", "a second", "MB", "MB a second"):
            table.add_column(heading, justify="right")
        records, size = self._recorder.records.copy(), self._recorder.bytes.copy()
        self._past.append((time.monotonic(), records, size))
        then, records_then, size_then = self._past[0]
        seconds = max(time.monotonic() - then, 0.1)
        for topic, partitions in list(self._recorder.partitions.items()):
            table.add_row(
                topic,
                str(partitions),
                f"{records[topic]:,}",
                f"{(records[topic] - records_then[topic]) / seconds:,.0f}",
                f"{size[topic] / MEGABYTE:,.1f}",
                f"{(size[topic] - size_then[topic]) / seconds / MEGABYTE:,.1f}",
            )
        return table


def _as_json(recorder: "Recorder", out: Path, seconds: float) -> dict[str, Any]:
    return {
        "path": str(out),
        "records": recorder.records.total(),
        "bytes": recorder.bytes.total(),
        "topics": dict(recorder.records),
        "seconds": round(seconds, 1),
    }
