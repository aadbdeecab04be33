"""Tables of numbers: cycle tables, spectra, thermal grids.

Cells are separated by commas, semicolons or tabs; with the latter two a comma may be the decimal
point. A heading is optional; lines that begin with `#` are comments.
"""

import csv
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.modality import Modality
from schemas.observation import Battery, Spectral, Thermal
from stream.errors import FileProblem

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
    values: NDArray[np.float32]
    """Shape (rows, columns); what is beyond float32 is infinity, which payloads refuse."""

    @property
    def names(self) -> list[str]:
        """The heading as ours are: lower case, words joined by underscores."""
        return [re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") for name in self.heading]

    @property
    def columns(self) -> int:
        return int(self.values.shape[1])


def read_table(data: bytes) -> Table:
    """Returns the numbers of a CSV file.

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

    def numbers(row: list[str]) -> list[float]:
        return [float(cell if delimiter == "," else cell.replace(",", ".")) for cell in row]

    rows = list(csv.reader(lines, delimiter=delimiter))
    heading: tuple[str, ...] = ()
    try:
        numbers(rows[0])
    except ValueError:
        heading = tuple(cell.strip() for cell in rows.pop(0))
    if not rows:
        raise FileProblem("the table has a heading and no rows")
    width = len(heading or rows[0])
    values = []
    for number, row in enumerate(rows, 1):
        if len(row) != width:
            raise FileProblem(f"row {number} has {len(row)} cells, the first line {width}")
        try:
            values.append(numbers(row))
        except ValueError as error:
            raise FileProblem(f"row {number}: {error}") from None
    with np.errstate(over="ignore"):
        return Table(heading, np.array(values).astype(np.float32))


def modality_of(table: Table) -> Modality:
    """Returns what a table is by its heading, or for a spectrum by its first column.

    Raises:
        FileProblem: it does not tell.
    """
    if set(BATTERY_COLUMNS) <= set(table.names):
        return Modality.BATTERY
    if table.columns == 2:
        steps = np.diff(table.values[:, 0])
        is_axis = bool((steps > 0).all() or (steps < 0).all())
        if table.heading:
            is_axis = bool(POSITIONS.search(table.heading[0]) or _unit(table.heading))
        if is_axis:
            return Modality.SPECTRAL
    raise FileProblem(
        f"a table of {table.columns} columns without a heading that tells what it is;"
        " say --modality battery, spectral or thermal"
    )


def battery(table: Table) -> Battery:
    """Returns a cycle table; without a heading its three columns are in order.

    Raises:
        FileProblem: a column is missing, or cycle numbers are not whole.
    """
    names = table.names or list(BATTERY_COLUMNS)
    if not set(BATTERY_COLUMNS) <= set(names) or len(names) != table.columns:
        raise FileProblem(
            f"a cycle table has the columns {', '.join(BATTERY_COLUMNS)}; name them in its heading"
        )
    cycle, capacity, resistance = (
        np.ascontiguousarray(table.values[:, names.index(name)]) for name in BATTERY_COLUMNS
    )
    if not ((cycle == np.rint(cycle)) & (np.abs(cycle) < 2**24)).all():
        raise FileProblem("cycle numbers must be whole numbers")
    return Battery(cycle.astype(np.int32), capacity, resistance)


def spectrum(table: Table, unit: str | None) -> Spectral:
    """Returns a spectrum of two columns, position and intensity.

    Args:
        table: as read.
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
    axis, intensities = np.ascontiguousarray(table.values.T)
    return Spectral(intensities, axis, "nm" if found == "nm" else "cm-1")


def thermal(table: Table) -> Thermal:
    """Returns a grid of temperatures, degrees C.

    Raises:
        FileProblem: it has a heading.
    """
    if table.heading:
        raise FileProblem("a thermal grid is numbers only, degrees C, without a heading")
    return Thermal(table.values)


def _unit(heading: tuple[str, ...]) -> str | None:
    if not heading:
        return None
    if WAVENUMBERS.search(heading[0]):
        return "cm-1"
    return "nm" if NANOMETRES.search(heading[0]) else None
