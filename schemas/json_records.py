"""The JSON form of each modality's observation, from which its JSON Schema is generated.

The names are those of the `.avsc` files. Unknown fields are ignored, so that newer stations can
send more than an older worker reads.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, FiniteFloat, model_validator

from schemas.json_fields import Axis, Blob, CapturedAt, Column, Grid, Id, Numbers, Strict, UnitId
from schemas.modality import Modality


class Record(Strict):
    """What every observation says. `Observation` checks identifiers and time once more."""

    unit_id: UnitId
    observation_id: Id
    captured_at: CapturedAt
    source: Id

    def fields(self) -> dict[str, object]:
        """The fields as Avro has them, nested objects as dicts."""
        return {name: _plain(value) for name, value in self}


def _plain(value: object) -> object:
    return {name: _plain(item) for name, item in value} if isinstance(value, BaseModel) else value


class VisualRecord(Record):
    """A photograph, still compressed."""

    modality: Literal["visual"] = "visual"
    image: Blob
    media_type: Literal["image/jpeg", "image/png"]


class SpectralRecord(Record):
    """A spectrum: float32 intensities over an axis."""

    modality: Literal["spectral"] = "spectral"
    intensities: Column
    axis: Axis


class TextRecord(Record):
    """A technician's note and its BCP 47 language tag."""

    modality: Literal["text"] = "text"
    text: str
    language: str


class ThermalRecord(Record):
    """A thermal image: float32 degrees Celsius, row by row.

    A list of rows says its size itself; `rows` and `columns` may then be left out.
    """

    modality: Literal["thermal"] = "thermal"
    celsius: Grid
    rows: int | None = None
    columns: int | None = None

    @model_validator(mode="after")
    def _sized(self) -> Self:
        grid = _rows(self.celsius)
        if grid is None:
            if self.rows is None or self.columns is None:
                raise ValueError("rows and columns are needed unless celsius is a list of rows")
            return self
        if len({len(row) for row in grid}) != 1:
            raise ValueError("the rows of celsius differ in length")
        if self.rows not in (None, len(grid)) or self.columns not in (None, len(grid[0])):
            raise ValueError("rows and columns contradict the rows of celsius")
        return self

    def fields(self) -> dict[str, object]:
        fields = super().fields()
        grid = _rows(self.celsius)
        if grid is not None:
            fields["rows"], fields["columns"] = len(grid), len(grid[0])
            fields["celsius"] = [value for row in grid for value in row]
        return fields


def _rows(celsius: object) -> list[list[float]] | None:
    if isinstance(celsius, list) and celsius and isinstance(celsius[0], list):
        return celsius
    return None


class AcousticRecord(Record):
    """A mono recording: PCM16 (full scale 32768) or FLOAT32 (in [-1, 1]) samples."""

    modality: Literal["acoustic"] = "acoustic"
    samples: Column
    sample_format: Literal["PCM16", "FLOAT32"]
    sample_rate: int
    """In Hz."""


class Cycle(Strict):
    """One row of a charge-cycle table."""

    cycle: int
    capacity_ah: FiniteFloat
    internal_resistance_ohm: FiniteFloat


class BatteryRecord(Record):
    """A charge-cycle table: three columns of one length, or `cycles`, a list of rows."""

    modality: Literal["battery"] = "battery"
    cycle: Numbers | None = None
    capacity_ah: Numbers | None = None
    internal_resistance_ohm: Numbers | None = None
    cycles: Annotated[list[Cycle], Field(fail_fast=True)] | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        columns = (self.cycle, self.capacity_ah, self.internal_resistance_ohm)
        if self.cycles is None and None in columns:
            raise ValueError(
                "send cycle, capacity_ah and internal_resistance_ohm, or cycles, a list of rows"
            )
        if self.cycles is not None and columns != (None, None, None):
            raise ValueError("send either columns or cycles, not both")
        return self

    def fields(self) -> dict[str, object]:
        fields = super().fields()
        if self.cycles is not None:
            del fields["cycles"]
            for name in Cycle.model_fields:
                fields[name] = [getattr(row, name) for row in self.cycles]
        return fields


RECORDS: dict[Modality, type[Record]] = {
    Modality.VISUAL: VisualRecord,
    Modality.SPECTRAL: SpectralRecord,
    Modality.TEXT: TextRecord,
    Modality.THERMAL: ThermalRecord,
    Modality.ACOUSTIC: AcousticRecord,
    Modality.BATTERY: BatteryRecord,
}
