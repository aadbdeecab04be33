"""Latent causes of a returned laptop, drawn along their causal arrows.

    age, use ──> cycles ──> capacity fade ──> swelling
        │  └───> fan wear, key wear, discoloration, scratches
        └─────> drops ──> cracks, display faults
    liquid ────> corrosion ──> board fault (hot spot), key faults, stains

A fault happens or not (a Bernoulli draw with the causes in its log-odds); its severity follows
from whether it happened. Units of one age differ a lot, so no cause gives away its effect.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agents.lab.simulator.models import MODELS, Chemistry, DeviceModel

# Capacity lost per 1000 full cycles, and per year on the shelf.
CYCLE_FADE = {Chemistry.LCO: 0.36, Chemistry.NMC: 0.31, Chemistry.LFP: 0.22}
CALENDAR_FADE = {Chemistry.LCO: 0.018, Chemistry.NMC: 0.015, Chemistry.LFP: 0.010}


@dataclass(frozen=True, slots=True)
class Latents:
    """Everything that is true of one unit. Severities and wear run from 0 (none) to 1."""

    model: DeviceModel
    age_years: float
    intensity: float
    """How hard it was used, 0 to 1."""
    drops: int
    scratches: int
    crack: float
    """Severity; below 0.4 a hairline in the paint only."""
    discoloration: float
    dirt: float
    liquid: float
    corrosion: float
    board_fault: float
    hot_spot: tuple[float, float]
    """Where the board fails, (row, column) as fractions of the thermal image."""
    coil_whine: float
    chemistry: Chemistry
    cycles: int
    state_of_health: float
    """Capacity left, as a fraction of the rated one."""
    resistance_growth: float
    """Internal resistance now, relative to new."""
    swelling_mm: float
    fan_wear: float
    dust: float
    key_wear: float
    """Polish of the key caps; wears with use, harms nothing."""
    keyboard_fault: bool
    display_fault: bool


def _happens(rng: np.random.Generator, log_odds: float) -> bool:
    return bool(rng.random() < 1 / (1 + math.exp(-log_odds)))


def _severity(rng: np.random.Generator, present: bool) -> float:
    return float(rng.uniform(0.5, 1.0) if present else rng.uniform(0.0, 0.3))


def draw_latents(rng: np.random.Generator, models: Sequence[DeviceModel] = MODELS) -> Latents:
    """One unit of one of `models`."""
    model = models[int(rng.integers(len(models)))]
    age = 0.5 + 7.0 * rng.beta(1.7, 2.3)
    intensity = rng.beta(2.0, 2.0)
    # Use relative to the average return, in standard deviations.
    wear = (age * intensity - 1.75) / 1.15

    drops = int(rng.poisson(0.15 + 0.20 * age * intensity))
    crack = _severity(rng, _happens(rng, -2.0 + 0.9 * drops))
    # Kept in a sleeve or thrown into a bag: owners differ more than years do.
    carelessness = 9.0 if _happens(rng, -0.6 + 0.5 * wear) else 1.0
    scratches = int(rng.poisson(1.0 + carelessness + 0.5 * age * intensity + 1.0 * drops))
    yellowed = _happens(rng, -1.6 + 0.3 * (age - 3.5))
    liquid = float(rng.uniform(0.3, 1.0)) if _happens(rng, -1.9 + 0.2 * wear) else 0.0
    corrosion = liquid * float(rng.uniform(0.3, 1.0))
    board_fault = _severity(rng, _happens(rng, -1.75 + 0.15 * wear + 2.6 * corrosion))

    chemistry = model.platform.chemistries[int(rng.integers(len(model.platform.chemistries)))]
    cycles = int(30 + 230 * age * intensity * rng.lognormal(0.0, 0.45))
    stress = rng.lognormal(0.0, 0.28)  # heat, depth of discharge: differs from unit to unit
    fade = stress * (CYCLE_FADE[chemistry] * cycles / 1000 + CALENDAR_FADE[chemistry] * age)
    health = float(np.clip(1.0 - fade + rng.normal(0.0, 0.01), 0.35, 1.0))
    swollen = _happens(rng, -2.75 + 5.0 * (0.85 - health) + (0.4 if chemistry == "LCO" else 0.0))
    swelling = float(rng.uniform(1.5, 6.0) if swollen else rng.exponential(0.15))
    growth = 1.0 + 1.9 * (1.0 - health) * rng.lognormal(0.0, 0.2) + 0.05 * swelling

    dust = float(np.clip(0.09 * age + rng.normal(0.1, 0.15), 0.0, 1.0))
    fan_wear = _severity(rng, _happens(rng, -0.85 + 0.35 * wear + 1.0 * dust))
    return Latents(
        model=model,
        age_years=float(age),
        intensity=float(intensity),
        drops=drops,
        scratches=scratches,
        crack=crack,
        discoloration=_severity(rng, yellowed),
        dirt=float(rng.beta(1.5, 3.0)),
        liquid=liquid,
        corrosion=corrosion,
        board_fault=board_fault,
        hot_spot=(float(rng.uniform(0.08, 0.52)), float(rng.uniform(0.1, 0.9))),
        coil_whine=float(rng.uniform(0.3, 1.0)) if _happens(rng, -1.6 + 2.2 * board_fault) else 0.0,
        chemistry=chemistry,
        cycles=cycles,
        state_of_health=health,
        resistance_growth=float(growth),
        swelling_mm=swelling,
        fan_wear=fan_wear,
        dust=dust,
        key_wear=float(np.clip(0.22 * age * intensity + rng.normal(0.0, 0.12), 0.0, 1.0)),
        keyboard_fault=_happens(rng, -1.6 + 0.25 * wear + 1.6 * liquid),
        display_fault=_happens(rng, -2.0 + 0.35 * drops),
    )
