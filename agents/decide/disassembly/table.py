"""What a plant writes down about its products' insides, validated. `laptop.yaml` explains it."""

from enum import StrEnum
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, FiniteFloat, Strict, model_validator

from agents.decide.plant_table import Entry, PlantTableError, Share, complete, of_unit, read_table
from schemas.decision import Component, Condition, Option

CENTS = 100
"""In one of the currency: plans reckon in whole ones, so that they are exact."""
COMPONENTS = tuple(component.value for component in Component)

# Beyond these bounds a number is a slip of the pen.
Price = Annotated[FiniteFloat, Strict(), Field(ge=-1e6, le=1e6)]
Rate = Annotated[FiniteFloat, Strict(), Field(ge=0, le=1e6)]
Seconds = Annotated[FiniteFloat, Strict(), Field(gt=0, le=86_400)]
PartName = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")]


class DisassemblyError(PlantTableError):
    """A disassembly file that cannot be used."""


class Goal(StrEnum):
    """What a unit is opened for."""

    KEEP_CLOSED = "keep-closed"
    REPLACE = "replace"
    VALUE = "value"


class Part(Entry):
    """A step of taking a product apart, and what it yields."""

    labour_s: Seconds
    after: list[PartName]
    reusable: Price | None = None
    """None for what is no component: its reuse has no probability."""
    scrap: Price
    hazards: dict[Condition, Share] = Field(default_factory=dict)
    mandatory_for: frozenset[Option] = frozenset()

    def cents(self, reuse: float, labour_rate: float, *, put_back: bool) -> int:
        """What it is expected to bring, less its own labour.

        Args:
            reuse: the probability that it can be used again.
            labour_rate: currency per hour.
            put_back: it brings nothing, since the unit keeps it.
        """
        value = self.scrap if self.reusable is None else _mean(reuse, self.reusable, self.scrap)
        return round(CENTS * ((not put_back) * value - self.labour_s * labour_rate / 3600))

    def is_hazardous(self, conditions: dict[Condition, float]) -> bool:
        return any(conditions[condition] >= share for condition, share in self.hazards.items())


class Family(Entry):
    """Products whose unit_id begins with `prefix` are built like this."""

    prefix: str
    parts: Annotated[dict[PartName, Part], Field(min_length=1)]

    @model_validator(mode="after")
    def _is_a_precedence_graph(self) -> Self:
        for name, part in self.parts.items():
            for before in part.after:
                if before not in self.parts:
                    raise ValueError(
                        f"part {name} comes after {before}, which is no part; add it to parts,"
                        f" or take it from {name}'s after"
                    )
            if name in COMPONENTS and part.reusable is None:
                raise ValueError(f"part {name} is a component and has no entry reusable; add it")
            if name not in COMPONENTS and part.reusable is not None:
                raise ValueError(
                    f"part {name} has an entry reusable, which is only for"
                    f" {', '.join(COMPONENTS)}; take it away"
                )
        try:
            TopologicalSorter(self.after).prepare()
        except CycleError as error:
            way = " before ".join(error.args[1])
            raise ValueError(
                f"parts wait for each other: {way}; take one of them out of an after"
            ) from None
        return self

    @cached_property
    def after(self) -> dict[str, list[str]]:
        """Of each part what it immediately comes after."""
        return {name: part.after for name, part in self.parts.items()}

    @cached_property
    def way_to(self) -> dict[str, list[str]]:
        """To each part: all that must come off before it, in a feasible order, and itself."""
        ways: dict[str, list[str]] = {}
        while len(ways) < len(self.parts):
            # The first in the file that nothing holds any more.
            name = next(n for n, a in self.after.items() if n not in ways and ways.keys() >= {*a})
            before = {part for other in self.after[name] for part in ways[other]}
            ways[name] = [*(part for part in ways if part in before), name]
        return ways

    @cached_property
    def labour(self) -> dict[str, float]:
        """Of each part its labour, seconds."""
        return {name: part.labour_s for name, part in self.parts.items()}


class DisassemblyTable(Entry):
    """What parts are worth and how they come off, of all product families."""

    labour_rate: Rate
    goals: Annotated[dict[Option, Goal], AfterValidator(complete)]
    replace_below: Share
    families: list[Family]

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """Read a table from YAML; the one for laptops, which ships, when `path` is None.

        Raises:
            DisassemblyError: the file cannot be read or breaks the contract.
        """
        shipped = ("agents.decide.disassembly", "laptop.yaml")
        return read_table(cls, path, shipped=shipped, kind="disassembly", error=DisassemblyError)

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        for one, other in pairwise(sorted(family.prefix for family in self.families)):
            if one == other:
                raise ValueError(f"two families have the prefix {one!r}; put them together")
        for family in self.families:
            for name, part in family.parts.items():
                for option in sorted(part.mandatory_for):
                    if self.goals[option] is Goal.KEEP_CLOSED:
                        raise ValueError(
                            f"part {name} is mandatory_for {option}, whose goal is"
                            f" {Goal.KEEP_CLOSED}; change one of them"
                        )
        return self

    def family_of(self, unit_id: str) -> Family | None:
        """The family of a unit, None where nothing is known of its inside."""
        return of_unit(self.families, unit_id)


def _mean(probability: float, yes: float, no: float) -> float:
    return probability * yes + (1 - probability) * no
