"""A simulated unit: its causes, its labels, and what each station would measure of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from agents.lab.simulator import acoustic, battery, spectral, text, thermal, visual
from agents.lab.simulator.labels import Labels, label
from agents.lab.simulator.latents import Latents, draw_latents
from agents.lab.simulator.models import MODELS, DeviceModel
from schemas.modality import MODALITIES, Modality
from schemas.observation import Payload

RENDER: dict[Modality, Callable[[np.random.Generator, Latents], Payload]] = {
    Modality.VISUAL: visual.render,
    Modality.SPECTRAL: spectral.measure,
    Modality.TEXT: text.write,
    Modality.THERMAL: thermal.measure,
    Modality.ACOUSTIC: acoustic.record,
    Modality.BATTERY: battery.measure,
}

# Appended to, never reordered: a stream's number is part of every payload's seed.
_STREAMS = {modality: number for number, modality in enumerate(MODALITIES, start=1)}
_LATENTS = 0


def generator(seed: int, *key: int) -> np.random.Generator:
    """A generator that depends on its key alone, not on what was drawn before it."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, *key))))


@dataclass(frozen=True)
class SimulatedUnit:
    """Unit number `index` of the population `seed`; nothing is computed before it is asked for."""

    seed: int
    index: int
    prefix: str = "LT"
    models: Sequence[DeviceModel] = field(default=MODELS, repr=False)

    @property
    def unit_id(self) -> str:
        return f"{self.prefix}-{self.index:06d}"

    @cached_property
    def latents(self) -> Latents:
        return draw_latents(generator(self.seed, self.index, _LATENTS), self.models)

    @cached_property
    def labels(self) -> Labels:
        return label(self.latents)

    def payload(self, modality: Modality, take: int = 0) -> Payload:
        """What the modality's station measures; each `take` is a fresh reading of the same unit."""
        rng = generator(self.seed, self.index, _STREAMS[modality], take)
        return RENDER[modality](rng, self.latents)


def simulate_unit(
    seed: int, index: int, *, prefix: str = "LT", models: Sequence[DeviceModel] = MODELS
) -> SimulatedUnit:
    """Unit `index` of population `seed`, of one of `models`.

    The same arguments give byte-identical payloads, in any order and in any process.
    """
    return SimulatedUnit(seed, index, prefix, models)
