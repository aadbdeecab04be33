"""A simulator of returned laptops: latent causes, six modalities that follow, and the labels.

`simulate_unit(seed, index)` gives one unit, `LinePlan(...)` a line of them in time.
"""

from agents.lab.simulator.labels import Labels
from agents.lab.simulator.latents import Latents
from agents.lab.simulator.models import MODELS, DeviceModel
from agents.lab.simulator.passages import LineTiming, PlannedObservation, PlannedPassage
from agents.lab.simulator.stations import LinePlan, ScheduledObservation
from agents.lab.simulator.units import SimulatedUnit, simulate_unit

__all__ = [
    "MODELS",
    "DeviceModel",
    "Labels",
    "Latents",
    "LinePlan",
    "LineTiming",
    "PlannedObservation",
    "PlannedPassage",
    "ScheduledObservation",
    "SimulatedUnit",
    "simulate_unit",
]
