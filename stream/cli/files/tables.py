"""Tables of numbers: cycle tables, spectra, thermal grids.

Cells are separated by commas, semicolons or tabs; with the latter two a comma may be the decimal
point. A heading is optional; lines that begin with `#` are comments.
"""

import csv
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.observation import Battery, Spectral, Thermal
from stream.cli.files.errors import FileProblem

BATTERY_COLUMNS = ("cycle", "capacity_ah", "internal_resistance_ohm")
POSITIONS = re.compile(r"position|wave|shift|^(nm|cm-1|cm\^-1|x)$", re.IGNORECASE)
NANOMETRES = re.compile(r"\bnm\b|nanomet|(^|_)nm($|_)", re.IGNORECASE)
WAVENUMBERS = re.compile(r"cm\s*\^?\s*[-\u2212]\s*1|1/cm|cm\u207b\u00b9|wave_?\s?number|raman",
                         re.IGNORECASE)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Table:
    """A table as read."""

    heading: tuple[str, ...]
    """Empty where there is none."""
    values: NDArray[np.float64]
    """Shape (rows, columns)."""

    @property
    def columns(self) -> int:
        return int(self.values.shape[1])


def read_table(data: bytes) -> Table:
    """The numbers of a CSV file.

    Raises:
        FileProblem: not UTF-8, no rows, ragged, or a cell that is no number.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FileProblem("the table is not UTF-8; save it in that encoding") from None
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not lines:
        raise FileProblem("the table is empty")
    delimiter = next((mark for mark in "\t;" if mark in lines[0]), ",")
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=delimiter)]
    heading: tuple[str, ...] = ()
    if not all(_is_number(cell, delimiter) for cell in rows[0]):
        heading, rows = tuple(rows[0]), rows[1:]
    width = len(heading or rows[0])
    values = np.empty((len(rows), width))
    for number, row in enumerate(rows, 1):
        if len(row) != width:
            raise FileProblem(f"row {number} has {len(row)} cells, the first line {width}")
        for column, cell in enumerate(row):
            if not _is_number(cell, delimiter):
                raise FileProblem(f"row {number}, column {column + 1}: {cell[:40]!r} is no number")
            values[number - 1, column] = _number(cell, delimiter)
    if not rows:
        raise FileProblem("the table has a heading and no rows")
    return Table(heading, values)


def looks_like_battery(table: Table) -> bool:
    """Whether its heading is that of a cycle table."""
    return set(BATTERY_COLUMNS) <= {_plain(name) for name in table.heading}


def looks_like_spectrum(table: Table) -> bool:
    """Whether it is two columns, of which the first is an axis."""
    if table.columns != 2:
        return False
    if table.heading:
        return bool(POSITIONS.search(table.heading[0]) or _unit(table.heading))
    steps = np.diff(table.values[:, 0])
    return bool((steps > 0).all() or (steps < 0).all())


def battery(table: Table) -> Battery:
    """A cycle table; without a heading its three columns are in order.

    Raises:
        FileProblem: a column is missing, or cycle numbers are not whole.
    """
    names = [_plain(name) for name in table.heading] or list(BATTERY_COLUMNS)
    missing = [name for name in BATTERY_COLUMNS if name not in names]
    if missing or len(names) != table.columns:
        raise FileProblem(
            f"a cycle table has the columns {', '.join(BATTERY_COLUMNS)}; name them in its heading"
        )
    cycle, capacity, resistance = (
        table.values[:, names.index(column)] for column in BATTERY_COLUMNS
    )
    whole = (cycle == np.rint(cycle)) & (np.abs(cycle) < 2**31)
    if not whole.all():
        raise FileProblem("cycle numbers must be whole numbers")
    return Battery(cycle.astype(np.int32), _float32(capacity), _float32(resistance))


def spectrum(table: Table, unit: str | None) -> Spectral:
    """A spectrum of two columns, position and intensity.

    Args:
        unit: `nm` or `cm-1`; None: as the heading says.

    Raises:
        FileProblem: it has other columns, or nobody says which unit the axis has.
    """
    if table.columns != 2:
        raise FileProblem(
            f"a spectrum has two columns, position and intensity, not {table.columns}"
        )
    found = unit or _unit(table.heading)
    if found not in ("nm", "cm-1"):
        raise FileProblem("the heading does not tell the axis's unit; say --unit nm or cm-1")
    return Spectral(
        intensities=_float32(table.values[:, 1]),
        axis=_float32(table.values[:, 0]),
        unit="nm" if found == "nm" else "cm-1",
    )


def thermal(table: Table) -> Thermal:
    """A grid of temperatures, degrees C.

    Raises:
        FileProblem: it has a heading.
    """
    if table.heading:
        raise FileProblem("a thermal grid is numbers only, degrees C, without a heading")
    return Thermal(_float32(table.values))


def _unit(heading: tuple[str, ...]) -> str | None:
    if not heading:
        return None
    if WAVENUMBERS.search(heading[0]):
        return "cm-1"
    return "nm" if NANOMETRES.search(heading[0]) else None


def _plain(name: str) -> str:
    """A heading's name as ours are: lower case, words joined by underscores."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _number(cell: str, delimiter: str) -> float:
    return float(cell if delimiter == "," else cell.replace(",", "."))


def _is_number(cell: str, delimiter: str) -> bool:
    try:
        _number(cell, delimiter)
    except ValueError:
        return False
    return True


def _float32(values: NDArray[np.float64]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # beyond float32 becomes infinity, which payloads refuse
        return np.ascontiguousarray(values, dtype=np.float32)
