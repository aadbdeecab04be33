"""Labels: what an expert who knew every latent cause would say of a unit.

The routing rules ask, in this order: is it dangerous, is the board alive, is the housing whole,
how many parts need service? Each question is answered by another station, and the housing's
material decides what repair and what scrap are worth; so no single modality can route a unit.
"""

from dataclasses import dataclass

from agents.lab.simulator.latents import Latents
from schemas.decision import Component, Condition, Grade, Material, Option

SWOLLEN_MM = 1.0
DEGRADED_BELOW = 0.80
"""State of health under which a battery is replaced."""
PRESENT = 0.4
"""Severity from which a fault counts."""

REPAIRABLE = frozenset({Material.ALUMINIUM, Material.MAGNESIUM, Material.PC_ABS})
"""Housings that take new inserts and paint; ABS creeps and PA-GF warps."""
MELTABLE = frozenset({Material.ALUMINIUM, Material.MAGNESIUM, Material.ABS})
"""Housings that make one clean fraction of scrap; blends and glass fibre do not."""


@dataclass(frozen=True, slots=True)
class Labels:
    """The truth that a decision on the unit is measured against."""

    quality: Grade
    material: Material
    routing: Option
    reuse: dict[Component, bool]
    conditions: dict[Condition, bool]


def _conditions(unit: Latents) -> dict[Condition, bool]:
    return {
        Condition.BATTERY_SWOLLEN: unit.swelling_mm >= SWOLLEN_MM,
        Condition.BATTERY_DEGRADED: unit.state_of_health < DEGRADED_BELOW,
        Condition.LIQUID_DAMAGE: unit.corrosion >= PRESENT,
        Condition.HOUSING_CRACKED: unit.crack >= PRESENT,
        Condition.FAN_WORN: unit.fan_wear >= PRESENT,
        Condition.BOARD_HOT_SPOT: unit.board_fault >= PRESENT,
    }


def _reuse(unit: Latents, found: dict[Condition, bool]) -> dict[Component, bool]:
    return {
        Component.BATTERY: not (
            found[Condition.BATTERY_SWOLLEN] or found[Condition.BATTERY_DEGRADED]
        ),
        Component.DISPLAY: not unit.display_fault,
        Component.KEYBOARD: not unit.keyboard_fault,
        Component.MAINBOARD: not found[Condition.BOARD_HOT_SPOT],
        Component.FAN: not found[Condition.FAN_WORN],
    }


def _quality(unit: Latents, found: dict[Condition, bool]) -> Grade:
    """Looks weigh most; each fault that a buyer would notice costs, too."""
    points = (
        0.09 * min(unit.scratches, 14)
        + 1.3 * unit.discoloration
        + (1.6 if found[Condition.HOUSING_CRACKED] else 0.0)
        + (0.8 if found[Condition.BATTERY_SWOLLEN] else 0.0)
        + (0.6 if found[Condition.BOARD_HOT_SPOT] else 0.0)
        + 0.5 * (unit.keyboard_fault + unit.display_fault)
        + (0.3 if found[Condition.FAN_WORN] else 0.0)
        + (0.3 if found[Condition.BATTERY_DEGRADED] else 0.0)
    )
    if points < 1.05:
        return Grade.A
    if points < 1.9:
        return Grade.B
    return Grade.C if points < 2.9 else Grade.D


def _routing(
    material: Material, found: dict[Condition, bool], reuse: dict[Component, bool]
) -> Option:
    if found[Condition.BATTERY_SWOLLEN]:
        return Option.HAZARDOUS
    service = sum(
        (
            not (reuse[Component.KEYBOARD] and reuse[Component.DISPLAY]),
            not reuse[Component.FAN],
            not reuse[Component.BATTERY],
        )
    )
    if found[Condition.BOARD_HOT_SPOT]:
        # Without a board the parts are worth it while most are good; clean scrap competes.
        return Option.HARVEST if service <= (0 if material in MELTABLE else 1) else Option.RECYCLE
    if found[Condition.HOUSING_CRACKED]:
        if material in REPAIRABLE:
            return Option.REMANUFACTURE
        return Option.HARVEST if service == 0 else Option.RECYCLE
    if service == 0:
        return Option.RESELL
    if service == 1:
        return Option.REFURBISH
    return Option.REMANUFACTURE if material in REPAIRABLE else Option.HARVEST


def label(unit: Latents) -> Labels:
    """The labels that follow from the latent causes."""
    found = _conditions(unit)
    reuse = _reuse(unit, found)
    material = unit.model.material
    return Labels(
        quality=_quality(unit, found),
        material=material,
        routing=_routing(material, found, reuse),
        reuse=reuse,
        conditions=found,
    )
