"""Recorded records as tables for other tools: a row each, what it says in columns."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import Field, asdict, fields
from itertools import islice
from pathlib import Path
from typing import Any, TextIO, get_args

from stream.errors import MissingExtra
from stream.replay.inspection.rows import Row

TIMES = ("timestamp", "captured_at")
GROUP_ROWS = 20_000
"""Rows that are written at once, and read at once by others."""


def export_jsonl(rows: Iterable[Row], out: TextIO) -> int:
    """Writes a JSON object a row; returns how many. Times are ms since 1970 UTC."""
    count = 0
    for row in rows:
        out.write(json.dumps(asdict(row), ensure_ascii=False) + "\n")
        count += 1
    return count


def export_parquet(rows: Iterable[Row], path: Path) -> int:
    """Writes a Parquet file with the columns of `Row`; returns how many rows there are.

    Times are timestamps in UTC, where there is one.

    Raises:
        MissingExtra: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise MissingExtra(
            "pyarrow is not installed; run `pip install 'regrade[export]'` to write Parquet"
        ) from None
    kinds = {str: pa.string(), int: pa.int64(), float: pa.float64()}
    names, times = pa.list_(pa.string()), dict.fromkeys(TIMES, pa.timestamp("ms", "UTC"))
    schema = pa.schema(
        [(each.name, times.get(each.name) or kinds.get(_kind(each), names)) for each in fields(Row)]
    )
    count, left = 0, iter(rows)
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        while group := list(_cells(islice(left, GROUP_ROWS))):
            writer.write_table(pa.Table.from_pylist(group, schema))
            count += len(group)
    return count


def _kind(field: Field[Any]) -> Any:
    """Returns the type that a field has where it is not None."""
    return (*get_args(field.type), field.type)[0]


def _cells(rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
    for row in rows:
        cells = asdict(row)
        if row.timestamp < 0:
            cells["timestamp"] = None
        yield cells
