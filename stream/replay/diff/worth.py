"""What a decision is expected to bring, under one table for both sides."""

from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from agents.decide.policy import Policy
from schemas.decision import Decision, Grade, Material

Key = TypeVar("Key", Grade, Material)


class Worth(NamedTuple):
    """Expected money and CO2 of a routing, or a difference of two."""

    money: float = 0.0
    """In the table's currency, the cost of misrouting taken off."""
    co2: float = 0.0
    """kg of CO2e avoided."""

    def less(self, other: "Worth") -> "Worth":
        return Worth(self.money - other.money, self.co2 - other.co2)

    def plus(self, other: "Worth") -> "Worth":
        return Worth(self.money + other.money, self.co2 + other.co2)

    def total(self, co2_weight: float) -> float:
        """Returns both in the table's currency."""
        return self.money + co2_weight * self.co2


NOTHING = Worth()


def worth_of(decision: Decision, policy: Policy) -> Worth | None:
    """Returns what the chosen option is expected to bring under the policy's table.

    Grade and material count by the decision's own probabilities, and the option is right with the
    probability that the decision gives as its confidence. None: the table lacks the option.
    """
    table = policy.options.get(decision.routing.option)
    if table is None:
        return None
    grades, materials = decision.quality.probabilities, decision.material.probabilities
    right = decision.confidence
    money = _mean(table.value, grades) + _mean(table.value_of_material, materials)
    co2 = _mean(table.co2, grades) + _mean(table.co2_of_material, materials)
    return Worth(right * money - (1 - right) * table.misrouting_cost, right * co2)


def _mean(amounts: Mapping[Key, float], probabilities: Mapping[Key, float]) -> float:
    return sum(share * amounts.get(name, 0.0) for name, share in probabilities.items())
