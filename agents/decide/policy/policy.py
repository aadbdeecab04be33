"""The decision policy: from a prediction to a routing, under a table that the plant owns.

Pure: the same prediction and table always give the same verdict. The option o that maximises

    EV(o) = s_o V_o - (1 - s_o) C_o

wins, where s_o is the probability that o is right, V_o its expected worth over grades and
materials (money plus weighted CO2), and C_o the cost of misrouting to it; hard rules come first.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from operator import mul
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, FiniteFloat, Strict

from agents.decide.plant_table import Cost, Entry, Share, complete, of_unit, read_table
from agents.decide.policy.table import Family, HardRule, OptionTable, PolicyError
from agents.distiller.prediction import Prediction
from schemas.decision import Condition, Grade, Material, Option, Routing
from schemas.modality import Modality

# Tuples: an enumeration takes its time each time that one iterates over it.
_GRADES, _MATERIALS, _OPTIONS = tuple(Grade), tuple(Material), tuple(Option)
_CONDITIONS = tuple(Condition)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the policy makes of a prediction; numbers rounded as decisions carry them."""

    grade: Grade
    """The most probable one."""
    material: Material
    """The most probable one."""
    routing: Routing
    forced_by: Condition | None
    """The hard rule that decided, if any."""
    confidence: float
    """The distiller's probability of the chosen option, even where a hard rule chose it."""
    uncertainty: float
    """Entropy of the routing probabilities: 0 one option is certain, 1 all are alike."""
    criticality: float
    """How bad a mistake would be: 0 the least that the table has at stake, 1 the most, or hazard.

    Independent of how probable a mistake is; that is what `uncertainty` says.
    """


class Policy(Entry):
    """The policy's table. `default.yaml` explains every entry."""

    currency: Annotated[str, Field(min_length=1, max_length=8)]
    co2_weight: Cost
    options: Annotated[dict[Option, OptionTable], AfterValidator(complete)]
    hard_rules: list[HardRule]
    confidence_floor: Share
    reason_thresholds: Annotated[dict[Condition, Share], AfterValidator(complete)]
    hazard_weight: Share
    valid_for_s: Annotated[FiniteFloat, Strict(), Field(gt=0, le=10 * 365 * 86_400)]
    families: list[Family]

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """Read a policy from YAML; the one that ships when `path` is None.

        Raises:
            PolicyError: the file cannot be read or breaks the contract.
        """
        shipped = ("agents.decide.policy", "default.yaml")
        return read_table(cls, path, shipped=shipped, kind="policy", error=PolicyError)

    def rule_on(self, prediction: Prediction) -> Verdict:
        """The verdict on one prediction, whose heads hold a probability of every class."""
        rule, ranked, worth, expected = self._choose(prediction)
        chosen = rule.option if rule else ranked[0]
        confidence = prediction.routing[chosen]
        routing = Routing.model_validate(
            {
                "option": chosen,
                "expected_value": round(expected[chosen], 2),
                "alternatives": [
                    {"option": option, "expected_value": round(expected[option], 2)}
                    for option in ranked
                    if option is not chosen
                ],
                "reasons": self._reasons(prediction.conditions, rule),
                # A unit that a safety rule has sent away must not wait for a human's confirmation.
                "hold_for_human": rule is None and confidence < self.confidence_floor,
            }
        )
        return Verdict(
            grade=max(_GRADES, key=prediction.quality.__getitem__),
            material=max(_MATERIALS, key=prediction.material.__getitem__),
            routing=routing,
            forced_by=rule.condition if rule else None,
            confidence=round(confidence, 6),
            uncertainty=round(prediction.uncertainty, 6),
            criticality=round(self._criticality(prediction.conditions, chosen, worth[chosen]), 6),
        )

    def criticality(self, prediction: Prediction) -> float:
        """How bad a mistake would be, as in `Verdict.criticality`, unrounded."""
        rule, ranked, worth, _ = self._choose(prediction)
        chosen = rule.option if rule else ranked[0]
        return self._criticality(prediction.conditions, chosen, worth[chosen])

    def valid_until(self, decided_at: datetime) -> datetime:
        """Until when a decision of this time may be acted on."""
        return decided_at + timedelta(seconds=self.valid_for_s)

    def expected_modalities(
        self, unit_id: str, enabled: tuple[Modality, ...]
    ) -> tuple[Modality, ...]:
        """The modalities to wait for, in the order of `enabled`.

        All enabled ones, or those of the unit's family. A family of which none is enabled counts
        as no family: a passage that expects nothing would be complete with anything.
        """
        family = of_unit(self.families, unit_id) if self.families else None
        if family is None:
            return enabled
        return tuple(modality for modality in enabled if modality in family.expects) or enabled

    def _choose(
        self, prediction: Prediction
    ) -> tuple[HardRule | None, list[Option], dict[Option, float], dict[Option, float]]:
        """The hard rule that fired, options from best to worst, and worth and expected value."""
        worth = self._worth(prediction)
        expected = {o: self._expected(prediction.routing[o], worth[o], o) for o in _OPTIONS}
        # Sorting is stable: of equal values the option that is declared first wins.
        ranked = sorted(_OPTIONS, key=lambda option: -expected[option])
        return self._hard_rule(prediction.conditions), ranked, worth, expected

    def _hard_rule(self, conditions: dict[Condition, float]) -> HardRule | None:
        fired = (rule for rule in self.hard_rules if conditions[rule.condition] >= rule.probability)
        return next(fired, None)

    def _worth(self, prediction: Prediction) -> dict[Option, float]:
        quality = [prediction.quality[grade] for grade in _GRADES]
        material = [prediction.material[kind] for kind in _MATERIALS]
        # Grades and materials add up, so the expectation over both falls apart into two.
        return {
            option: _dot(quality, by_grade) + _dot(material, by_material)
            for option, (by_grade, by_material) in self._worths.items()
        }

    def _expected(self, right: float, worth: float, option: Option) -> float:
        return right * worth - (1 - right) * self.options[option].misrouting_cost

    def _reasons(self, conditions: dict[Condition, float], rule: HardRule | None) -> list[str]:
        given = [
            condition
            for condition in _CONDITIONS
            if conditions[condition] >= self.reason_thresholds[condition]
            or (rule is not None and condition is rule.condition)
        ]
        return [condition.value for condition in sorted(given, key=lambda c: -conditions[c])]

    def _criticality(
        self, conditions: dict[Condition, float], option: Option, worth: float
    ) -> float:
        least, most = self._stakes
        stake = worth + self.options[option].misrouting_cost
        share = (stake - least) / (most - least) if most > least else 0.0
        hazard = max((conditions[rule.condition] for rule in self.hard_rules), default=0.0)
        # Either is enough, and both together are more than one: like independent causes.
        share = min(max(share, 0.0), 1.0)
        return 1 - (1 - share) * (1 - self.hazard_weight * hazard)

    @cached_property
    def _worths(self) -> dict[Option, tuple[list[float], list[float]]]:
        return {option: self.options[option].worths(self.co2_weight) for option in _OPTIONS}

    @cached_property
    def _stakes(self) -> tuple[float, float]:
        """The least and the most between right and wrong, over options, grades and materials."""
        least, most = [
            [
                extreme(by_grade) + extreme(by_material) + self.options[option].misrouting_cost
                for option, (by_grade, by_material) in self._worths.items()
            ]
            for extreme in (min, max)
        ]
        return min(least), max(most)


def _dot(weights: list[float], values: list[float]) -> float:
    return float(sum(map(mul, weights, values)))
