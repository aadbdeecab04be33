"""Small products, and predictions of which only reuse and conditions matter."""

from collections.abc import Mapping
from typing import Any

from agents.decide.disassembly import DisassemblyTable
from agents.distiller.prediction import Prediction
from schemas import Component, Condition, Disassembly, Option

GOALS = {
    "resell": "keep-closed", "refurbish": "replace", "remanufacture": "replace",
    "harvest": "value", "recycle": "value", "hazardous": "value",
}  # fmt: skip


def part(scrap: float = 0, *after: str, labour_s: float = 10, **more: Any) -> dict[str, Any]:
    return {"scrap": scrap, "after": list(after), "labour_s": labour_s, **more}


def product(prefix: str = "", **parts: dict[str, Any]) -> dict[str, Any]:
    """A family; underscores in names stand for hyphens."""
    return {"prefix": prefix, "parts": {n.replace("_", "-"): p for n, p in parts.items()}}


def table(*families: dict[str, Any], labour_rate: float = 360, **changes: Any) -> DisassemblyTable:
    """10 s of labour cost 1."""
    entries = {"labour_rate": labour_rate, "goals": GOALS, "replace_below": 0.5}
    return DisassemblyTable.model_validate({**entries, "families": list(families), **changes})


def prediction(
    reuse: Mapping[Component, float] | None = None,
    conditions: Mapping[Condition, float] | None = None,
) -> Prediction:
    """Everything can be used again, and nothing is wrong, unless told otherwise."""
    return Prediction(
        quality={},
        material={},
        routing=dict.fromkeys(Option, 0.0),
        reuse={**dict.fromkeys(Component, 1.0), **(reuse or {})},
        conditions={**dict.fromkeys(Condition, 0.0), **(conditions or {})},
        tier="small",
    )


def parts(plan: Disassembly) -> list[str]:
    return [step.part for step in plan.steps]
