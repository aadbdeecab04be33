"""Where things are printed: results on stdout, everything else on stderr."""

import json
from typing import Any

from rich.console import Console


def result(value: Any) -> None:
    """One JSON value as one line on stdout."""
    print(json.dumps(value, ensure_ascii=False, default=str), flush=True)


def out() -> Console:
    """For people, on stdout."""
    return Console(highlight=False)


def err() -> Console:
    """For what is no result: progress, warnings."""
    return Console(stderr=True, highlight=False)
