"""Predictions with everything but the interesting part filled in."""

from agents.distiller.prediction import Prediction
from schemas import Component, Condition, Grade, Material, Option
from schemas.decision import Tier


def prediction(
    routing: dict[Option, float],
    *,
    quality: dict[Grade, float] | None = None,
    material: Material = Material.ABS,
    conditions: dict[Condition, float] | None = None,
) -> Prediction:
    quality = quality or {Grade.B: 1.0}
    return Prediction(
        quality={grade: quality.get(grade, 0.0) for grade in Grade},
        material={kind: float(kind is material) for kind in Material},
        routing={option: routing.get(option, 0.0) for option in Option},
        reuse=dict.fromkeys(Component, 0.5),
        conditions={c: (conditions or {}).get(c, 0.0) for c in Condition},
        tier=Tier.SMALL,
    )
