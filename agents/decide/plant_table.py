"""What the tables that a plant writes down share: how they are read, and what stands in them."""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Protocol, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, Strict, ValidationError

from schemas.decision import Condition, Grade, Material, Option
from schemas.errors import RegradeError

Key = TypeVar("Key", Grade, Material, Option, Condition)
Value = TypeVar("Value")

Amount = Annotated[FiniteFloat, Strict()]
"""Money in the policy's currency, or kg of CO2e. Strict: YAML's `yes` is not 1."""
Cost = Annotated[FiniteFloat, Strict(), Field(ge=0)]
Share = Annotated[FiniteFloat, Strict(), Field(ge=0, le=1)]


class PlantTableError(RegradeError):
    """A plant's file that cannot be used. One line: which file, which entry, what to do."""


class Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ForUnits(Protocol):
    """An entry that is for the units whose unit_id begins with `prefix`."""

    @property
    def prefix(self) -> str: ...


Table = TypeVar("Table", bound=Entry)
Prefixed = TypeVar("Prefixed", bound=ForUnits)


def complete(table: dict[Key, Value]) -> dict[Key, Value]:
    """Insist on an entry for every member of the keys' enumeration."""
    if not table:
        raise ValueError("is empty; give every entry of the file that ships")
    missing = [member.value for member in type(next(iter(table))) if member not in table]
    if missing:
        raise ValueError(f"has no entry for {', '.join(missing)}; add it")
    return table


def of_unit(families: Sequence[Prefixed], unit_id: str) -> Prefixed | None:
    """The family whose prefix fits best, which is the longest; None where none fits."""
    fitting = [family for family in families if unit_id.startswith(family.prefix)]
    return max(fitting, key=lambda family: len(family.prefix), default=None)


def read_table(
    model: type[Table],
    path: Path | None,
    *,
    shipped: tuple[str, str],
    kind: str,
    error: type[PlantTableError],
) -> Table:
    """A table from YAML.

    Args:
        path: the plant's file; None: the one that ships.
        shipped: package and name of that one.
        kind: what the table is, for messages.
        error: what to raise.

    Raises:
        PlantTableError: an `error`; the file cannot be read or breaks the contract.
    """
    name = f"{kind} {path or shipped[1]}"
    try:
        source = path or files(shipped[0]).joinpath(shipped[1])
        return model.model_validate(yaml.safe_load(source.read_text("utf-8")))
    except (OSError, UnicodeDecodeError) as fault:
        raise error(f"{name} cannot be read: {_one_line(fault)}") from None
    except yaml.YAMLError as fault:
        raise error(f"{name} is not YAML: {_one_line(fault)}") from None
    except ValidationError as faults:
        first = faults.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        message = first["msg"].removeprefix("Value error, ")
        raise error(f"{name}: {where}: {message}") from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
