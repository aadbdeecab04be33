"""What a plant writes down: the value table, hard rules and product families, validated."""

from typing import Annotated

from pydantic import AfterValidator, Field

from agents.decide.plant_table import Amount, Cost, Entry, PlantTableError, Share, complete
from schemas.decision import Condition, Grade, Material, Option
from schemas.modality import Modality


class PolicyError(PlantTableError):
    """A policy file that cannot be used."""


ByGrade = Annotated[dict[Grade, Amount], AfterValidator(complete)]
ByMaterial = Annotated[dict[Material, Amount], AfterValidator(complete)]


class OptionTable(Entry):
    """What one option brings when it is right, and costs when it is wrong."""

    value: ByGrade
    value_of_material: ByMaterial
    co2: ByGrade
    """kg of CO2e avoided."""
    co2_of_material: ByMaterial
    misrouting_cost: Cost

    def worths(self, co2_weight: float) -> tuple[list[float], list[float]]:
        """Worth by grade and what a material adds, CO2 included, in the table's currency.

        Args:
            co2_weight: currency for each kg of CO2e avoided.

        Returns:
            one number a grade and one a material, in the order of `Grade` and `Material`.
        """
        return (
            [self.value[grade] + co2_weight * self.co2[grade] for grade in Grade],
            [
                self.value_of_material[kind] + co2_weight * self.co2_of_material[kind]
                for kind in Material
            ],
        )


class HardRule(Entry):
    """At least `probability` of `condition` sends a unit to `option`, whatever it is worth."""

    condition: Condition
    probability: Share
    option: Option


class Family(Entry):
    """Products whose unit_id begins with `prefix` pass only these stations."""

    prefix: Annotated[str, Field(min_length=1)]
    expects: Annotated[frozenset[Modality], Field(min_length=1)]
