"""The cascade: every unit passes the classical tier, and those that need it a tier with circuits.

What decides is how uncertain the classical tier is about the routing (its normalised entropy u)
and how much a mistake would cost (the policy's criticality c). Rules and default thresholds are
those of the source article: classical if u < 0.1 and c < 0.3; small if u < 0.3 or c < 0.6; medium
if u < 0.6 or c < 0.8; else large.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from agents.distiller.distiller import Distiller, Encoding
from agents.distiller.files import MODEL, VERSION
from agents.distiller.prediction import Prediction
from agents.distiller.thresholds import Thresholds
from schemas.decision import DistillerInfo, Selection, Tier
from schemas.modality import Modality

FEWEST: dict[Tier, int] = {Tier.CLASSICAL: 1, Tier.SMALL: 2, Tier.MEDIUM: 3, Tier.LARGE: 3}
"""Modalities without which a tier has no circuit of its own to run."""


class HierarchicalDistillation:
    """A distiller that spends on a unit what the unit is worth.

    Args:
        distiller: with all tiers.
        criticality: of a prediction, 0 to 1; `agents.decide.policy.Policy.criticality`.
        thresholds: see `Thresholds`.
    """

    def __init__(
        self,
        distiller: Distiller,
        criticality: Callable[[Prediction], float],
        thresholds: Thresholds | None = None,
    ) -> None:
        self.distiller = distiller
        self.criticality = criticality
        self.thresholds = thresholds or Thresholds()

    def smart_circuit_selection(self, data_uncertainty: float, decision_criticality: float) -> Tier:
        """The tier for an uncertainty and a criticality, both 0 to 1."""
        return self._rule(data_uncertainty, decision_criticality)[0]

    def select(self, classical: Prediction, arrived: int) -> tuple[Tier, Selection]:
        """The tier for a unit of which `arrived` modalities are there, and why.

        Args:
            classical: what the classical tier says of it.
        """
        u, c = classical.uncertainty, self.criticality(classical)
        tier, rule = self._rule(u, c)
        possible = [t for t in Tier if arrived >= FEWEST[t]]
        if tier not in possible:
            rule = f"{rule}, but with {arrived} of the modalities nothing above {possible[-1]}"
            tier = possible[-1]
        return tier, Selection(uncertainty=u, criticality=c, rule=rule)

    def distill(self, units: Sequence[Mapping[Modality, Encoding]]) -> list[Prediction]:
        """Predict each unit by the tier that it deserves. Arguments and errors as
        `Distiller.distill`."""
        results = self.distiller.distill(units, Tier.CLASSICAL)
        chosen = [self.select(p, len(unit)) for p, unit in zip(results, units, strict=True)]
        for tier in list(Tier)[1:]:
            rows = [row for row, (wanted, _) in enumerate(chosen) if wanted is tier]
            if rows:
                better = self.distiller.distill([units[row] for row in rows], tier)
                for row, prediction in zip(rows, better, strict=True):
                    results[row] = prediction
        return [replace(p, selection=s) for p, (_, s) in zip(results, chosen, strict=True)]

    def info(self, prediction: Prediction) -> DistillerInfo:
        """What a decision says of how `prediction` came about."""
        device, shots = self.distiller.model.ran_on(prediction.tier)
        return DistillerInfo(
            model=MODEL,
            version=VERSION,
            sha256=self.distiller.sha256,
            tier=prediction.tier,
            selection=prediction.selection,
            device=device,
            shots=shots,
        )

    def _rule(self, u: float, c: float) -> tuple[Tier, str]:
        t = self.thresholds
        if u < t.classical_uncertainty and c < t.classical_criticality:
            low = f"uncertainty < {t.classical_uncertainty:g}"
            return Tier.CLASSICAL, f"{low} and criticality < {t.classical_criticality:g}"
        if u < t.small_uncertainty or c < t.small_criticality:
            low = f"uncertainty < {t.small_uncertainty:g}"
            return Tier.SMALL, f"{low} or criticality < {t.small_criticality:g}"
        if u < t.medium_uncertainty or c < t.medium_criticality:
            low = f"uncertainty < {t.medium_uncertainty:g}"
            return Tier.MEDIUM, f"{low} or criticality < {t.medium_criticality:g}"
        high = f"uncertainty >= {t.medium_uncertainty:g}"
        return Tier.LARGE, f"{high} and criticality >= {t.medium_criticality:g}"
