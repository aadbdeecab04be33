"""Both sets of decisions, on disk where they do not fit into some memory."""

import pickle
import sqlite3
import weakref
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter

from stream.replay.diff.facts import Facts, Stay

CACHE_KIB = 64 * 1024
"""What SQLite keeps in memory; the rest goes to a temporary file that nobody else sees."""

Side = int
"""0: A, 1: B."""

_TABLE = """
CREATE TABLE revisions (
    unit TEXT, side INT, passage TEXT, revision INT, facts BLOB,
    PRIMARY KEY (unit, side, passage, revision)
) WITHOUT ROWID
"""
_ROWS = "SELECT unit, side, passage, facts FROM revisions"
_ORDER = "ORDER BY unit, side, passage, revision"


class Store:
    """The stays of both sides by unit."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("")
        weakref.finalize(self, self._db.close)
        self._db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute(_TABLE)

    def add(self, side: Side, facts: Facts) -> bool:
        """Keeps one revision; False where there is one of that number already, which stays, as
        consumers keep the first."""
        row = (facts.unit_id, side, facts.passage_id, facts.revision, pickle.dumps(facts))
        done = self._db.execute("INSERT OR IGNORE INTO revisions VALUES (?, ?, ?, ?, ?)", row)
        return done.rowcount == 1

    def units(self) -> Iterator[tuple[str, tuple[list[Stay], list[Stay]]]]:
        """Yields each unit with its stays on either side."""
        rows = self._db.execute(f"{_ROWS} {_ORDER}")
        for unit_id, found in groupby(rows, key=itemgetter(0)):
            yield unit_id, _stays(found)

    def unit(self, unit_id: str) -> tuple[list[Stay], list[Stay]]:
        """Returns the stays of one unit on either side."""
        return _stays(self._db.execute(f"{_ROWS} WHERE unit = ? {_ORDER}", (unit_id,)))


def _stays(rows: Iterable[tuple[str, int, str, bytes]]) -> tuple[list[Stay], list[Stay]]:
    stays: tuple[list[Stay], list[Stay]] = [], []
    for (side, _), revisions in groupby(rows, key=itemgetter(1, 2)):
        # What we pickled ourselves, in a file that only this process has.
        stays[side].append(tuple(pickle.loads(row[3]) for row in revisions))  # noqa: S301
    return stays
