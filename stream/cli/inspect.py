"""`regrade inspect`: what is in a recording."""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream.cli.options import Json, Prefix
from stream.cli.output import err, result
from stream.cli.output import out as screen

if TYPE_CHECKING:
    from stream.replay.inspection import Filter, Row
    from stream.replay.recording import Recording

LOOK_EVERY = 500
"""Records after which the progress bar moves."""


class Format(StrEnum):
    JSONL = "jsonl"
    PARQUET = "parquet"


def inspect(
    path: Annotated[Path, typer.Argument(metavar="RECORDING")],
    topics: Annotated[str | None, typer.Option(help="Only these, by commas.")] = None,
    unit: Annotated[
        str | None, typer.Option(help="Its story: a line for each of its records, in time order.")
    ] = None,
    modality: Annotated[
        str | None, typer.Option(help="Only observations and features of it.")
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Only records from then on.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only records from before then.")
    ] = None,
    export: Annotated[
        Format | None, typer.Option(help="Write what records say as a table, a row each.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", dir_okay=False, help="Where. [default: stdout]")
    ] = None,
    manifest: Annotated[
        bool, typer.Option("--manifest", help="Also make the manifest again from the files.")
    ] = False,
    topic_prefix: Prefix = None,
    as_json: Json = False,
) -> int:
    """Say what a recording holds: topics, units, delays, gaps, damage. It may be damaged or cut.

    Exit code 1 where something could not be read.
    """
    from schemas.times import parse_time
    from stream.kafka.topics import Topics
    from stream.replay.inspection import Filter, rows
    from stream.replay.recorded_line import settings_of
    from stream.replay.recording import Manifest, Recording
    from stream.settings import Settings

    if export is Format.PARQUET and out is None:
        raise typer.BadParameter("--export parquet needs --out FILE")
    recording = Recording(path)
    if manifest:
        Manifest.of(path).write(path)
    line = Topics.of(settings_of(recording, Settings.load(topic_prefix=topic_prefix)))
    chosen = Filter(
        None if topics is None else [name.strip() for name in topics.split(",")],
        unit,
        modality,
        None if start is None else parse_time("--from", start),
        None if until is None else parse_time("--until", until),
    )
    found = _with_progress(rows(recording, line, chosen), path, quiet=as_json)
    if export is not None:
        _export(found, export, out)
    elif unit is not None:
        _tell(found, as_json=as_json)
    else:
        _summarise(found, recording, chosen, as_json=as_json)
        return 1 if recording.damage else 0
    for damage in recording.damage:
        where = f"{damage.file}, bytes {damage.start} to {damage.end}"
        err().print(f"could not be read: {where}: {damage.why}", markup=False, soft_wrap=True)
    return 1 if recording.damage else 0


def _tell(found: "Iterable[Row]", *, as_json: bool) -> None:
    from dataclasses import asdict

    from stream.replay.inspection import told

    for row in found:
        if as_json:
            result(asdict(row))
        else:
            typer.echo(told(row))


def _summarise(
    found: "Iterable[Row]", recording: "Recording", chosen: "Filter", *, as_json: bool
) -> None:
    from stream.replay.inspection import Summary, tables

    summary = Summary()
    for row in found:
        summary.add(row, whole=not chosen.leaves_gaps)
    partitions = {
        topic: count
        for topic, count in recording.topics.items()
        if chosen.topics is None or topic in chosen.topics
    }
    facts = summary.as_json(partitions, recording.damage)
    if as_json:
        result(facts)
    else:
        for each in tables(facts):
            screen().print(each, markup=False, soft_wrap=isinstance(each, str))


def _with_progress(found: "Iterator[Row]", path: Path, *, quiet: bool) -> "Iterator[Row]":
    from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

    from stream.replay.recording import Manifest

    manifest = Manifest.read(path)
    entries = [] if manifest is None else manifest.files.values()
    total = sum(entry.span.records for entry in entries) or None
    columns = (*Progress.get_default_columns()[:-1], MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err(), disable=quiet, transient=True) as bars:
        bar = bars.add_task("records read", total=total)
        for number, row in enumerate(found):
            if number % LOOK_EVERY == 0:
                bars.update(bar, completed=number)
            yield row


def _export(found: "Iterable[Row]", export: Format, out: Path | None) -> None:
    import sys

    from stream.replay.inspection import export_jsonl, export_parquet

    if out is None:
        export_jsonl(found, sys.stdout)
        return
    if export is Format.PARQUET:
        count = export_parquet(found, out)
    else:
        with out.open("w", encoding="utf-8") as file:
            count = export_jsonl(found, file)
    err().print(f"{count:,} rows are in {out}")
