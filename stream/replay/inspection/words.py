"""A recording in words: the story of a unit, and tables for the screen."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from rich.table import Table

from stream.replay.inspection.rows import Row
from stream.replay.inspection.summary import PERCENTILES

SHOWN = 20
"""Holes, damaged places and stations that the screen gets; `--json` has all."""


def told(row: Row) -> str:
    """Returns a record as a line of its unit's story."""
    place = f"{row.topic}[{row.partition}]@{row.offset}"
    if row.kind == "decision" and row.reason is None:
        what = (
            f"revision {row.revision}, {row.status} ({row.closed_by}): {row.option}, grade"
            f" {row.grade}, {row.material}, confidence {row.confidence:.2f};"
            f" on {', '.join(row.evidence or ())}"
        )
        if row.missing:
            what += f"; without {', '.join(row.missing)}"
    elif row.captured_at is not None:
        delay = f", {row.timestamp - row.captured_at:,} ms before" if row.timestamp >= 0 else ""
        what = (
            f"{row.modality} {row.observation_id} by {row.source},"
            f" captured {_time(row.captured_at)}{delay}"
        )
    else:
        what = row.reason or f"{row.size:,} bytes"
    return f"{_time(row.timestamp)}  {row.kind:<11}  {what}  ({place})"


def tables(summary: dict[str, Any]) -> Iterator[Table | str]:
    """Yields what `Summary.as_json` says as tables and lines, for people."""
    yield _topics(summary["topics"])
    yield from _encodings(summary["topics"])
    yield _units(summary["units"], summary["passages"])
    if summary["delays"]:
        yield _delays(summary["delays"], summary["clocks"])
    if holes := summary["holes"]:
        yield f"\n{summary['missing_offsets']:,} offsets are not there, of these:"
        for hole in holes[:SHOWN]:
            yield f"  {hole['topic']}[{hole['partition']}] {hole['first']} to {hole['last']}"
    if damage := summary["damage"]:
        yield f"\n{len(damage)} places could not be read:"
        for each in damage[:SHOWN]:
            yield f"  {each['file']}, bytes {each['start']} to {each['end']}: {each['why']}"
        if len(damage) > SHOWN:
            yield f"  and {len(damage) - SHOWN} more"


def _topics(topics: list[dict[str, Any]]) -> Table:
    table = _table("topic", "partitions", "records", "MB", "from", "seconds")
    for each in topics:
        table.add_row(
            each["topic"],
            str(each["partitions"]),
            f"{each['records']:,}",
            f"{each['bytes'] / 1e6:,.1f}",
            _time(each["earliest"]),
            f"{((each['latest'] or 0) - (each['earliest'] or 0)) / 1000:,.1f}",
        )
    return table


def _encodings(topics: list[dict[str, Any]]) -> Iterator[str]:
    yield ""
    for each in topics:
        if each["encodings"]:
            found = (f"{name} ({count:,})" for name, count in each["encodings"].items())
            yield f"{each['topic']}: {', '.join(found)}"


def _units(units: int, passages: dict[str, Any]) -> str:
    text = f"\n{units:,} units"
    if decided := passages["decided"]:
        closed = ", ".join(f"{count:,} by {why}" for why, count in passages["closed_by"].items())
        text += (
            f"; {decided:,} passages decided ({closed}), {passages['with_everything']:,} of them"
            " with every modality"
        )
    if missing := passages["missing"]:
        text += "; missing: " + ", ".join(f"{name} {count:,}" for name, count in missing.items())
    return text + "\n"


def _delays(delays: list[dict[str, Any]], clocks: dict[str, int]) -> Table:
    figures = ("observations", *PERCENTILES)
    table = _table("station", "modality", *figures, "clock ahead", first=2)
    table.title = "ms from capture to the record's timestamp"
    table.title_justify = "left"
    for each in delays:
        ahead = clocks.get(each["source"])
        table.add_row(
            each["source"],
            each["modality"],
            *(f"{each[name]:,}" for name in figures),
            "-" if ahead is None else f"{ahead:,}",
        )
    return table


def _table(*headings: str, first: int = 1) -> Table:
    """A table whose columns from the `first` on hold numbers."""
    table = Table(box=None)
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number >= first else "left", no_wrap=True)
    return table


def _time(ms: int | None) -> str:
    if ms is None or ms < 0:
        return "-"
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(" ", "milliseconds")[:-6] + "Z"
