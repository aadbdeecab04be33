"""Where things are printed: results on stdout, everything else on stderr."""

import json
from collections.abc import Iterable
from typing import Any

from rich.console import Console


def result(value: Any) -> None:
    """Prints one JSON value as one line on stdout."""
    print(json.dumps(value, ensure_ascii=False, default=str), flush=True)


def table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Prints names, and figures to the right of them, on stdout."""
    from rich.table import Table

    first, *others = columns
    shown = Table(first, box=None)
    for column in others:
        shown.add_column(column, justify="right")
    for row in rows:
        shown.add_row(*row)
    out().print(shown)


def out() -> Console:
    """Returns where people read results, stdout."""
    return Console(highlight=False)


def err() -> Console:
    """Returns where people read what is no result: progress, warnings."""
    return Console(stderr=True, highlight=False)
