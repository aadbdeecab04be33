"""Which techniques against noise are worth it, measured on the model's own circuits.

Each pair's circuit runs as a job of its own: on a random place of the device (unless the placement
chooses), with a draw of the drift since calibration; the corrector was trained under another draw,
on other units. Techniques are measured alone, against nothing, and in company: what the default
loses without one of its own, or gains by one it does not have. All runs of one comparison use
the same number of shots, unless the name of the run says otherwise.

Noisy values are those of `default.mixed`, contracted backwards (`transfer`) because a density
matrix of 8 qubits for every unit, pair and run would take days; a few inputs are run on
`default.mixed` each time, and the largest difference is part of the report.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.distiller.distiller import Distiller
from agents.distiller.heads import HEADS
from agents.distiller.model import HybridCrossModalDistiller
from agents.lab.noise.device import DEVICE, DRIFT_KHZ
from agents.lab.noise.encoding import DEFAULT, PLAIN, Techniques
from agents.lab.noise.encoding import ErrorResilientQuantumEncoding as Encoding
from agents.lab.noise.inputs import (
    Pairs,
    importance_of,
    pair_circuits,
    pairs_of,
    routing_from,
)
from agents.lab.noise.placement import Place
from agents.lab.noise.report import Effect, NoiseReport, Run, change, factor
from agents.lab.training import metrics
from agents.lab.training.dataset import Part, simulate

Array = NDArray[np.float64]
Progress = Callable[[int, int], None]
"""Told how many runs of a pair's circuit are done, of how many."""


@dataclass(frozen=True, slots=True)
class NoiseSettings:
    """What is measured, and on how much."""

    units: int = 1000
    """Simulated units to measure on, complete ones."""
    training_units: int = 400
    """Others, for the corrector and the placement's importance."""
    shots: int = 4096
    """Runs of the device for a readout."""
    noise: float = 1.0
    """How noisy the device is, of its calibration."""
    company: bool = True
    """Also measure what each technique adds to the others."""
    checked: int = 2
    """Inputs that also run on `default.mixed`."""
    seed: int = 1
    data_seed: int = 20261122


QUICK = NoiseSettings(units=300, training_units=200, company=False, checked=1)
"""Less than a minute."""


@dataclass(frozen=True, slots=True)
class _Way:
    """Techniques, and which part of the shots each copy gets."""

    techniques: Techniques
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class _Comparison:
    technique: str
    company: bool
    default: bool
    without: _Way
    with_: _Way


def _comparisons(company: bool) -> list[_Comparison]:
    """What is compared with what."""
    alone: dict[str, dict[str, Any]] = {
        "placement": {"placement": True},
        "late scheduling": {"order": "late"},
        "tight scheduling": {"order": "tight"},
        "decoupling": {"decouple": True},
        "redundancy 2, twice the qubits": {"redundancy": 2},
        "redundancy 2, as many readings": {"redundancy": 2},
        "extrapolation from 1 and 3": {"scales": (1, 3)},
        "corrector": {"correct": "both"},
        "corrector, readout only": {"correct": "readout"},
        "control: features only": {"correct": "features"},
    }
    found = []
    for name, changes in alone.items():
        on = all(getattr(DEFAULT, field) == value for field, value in changes.items())
        share = 0.5 if "as many" in name else 1.0
        found.append(
            _Comparison(name, False, on, _Way(PLAIN), _Way(replace(PLAIN, **changes), share))
        )
        if not company:
            continue
        if on:  # what the default loses without it
            without = replace(DEFAULT, **{f: getattr(PLAIN, f) for f in changes})
            found.append(_Comparison(name, True, on, _Way(without), _Way(DEFAULT)))
        else:
            with_ = _Way(replace(DEFAULT, **changes), share)
            found.append(_Comparison(name, True, on, _Way(DEFAULT), with_))
    found.append(_Comparison("all that are on", False, True, _Way(PLAIN), _Way(DEFAULT)))
    return found


class _Job:
    """One pair's circuit on the device: one day for the training of the corrector, one after."""

    def __init__(
        self, pair: int, test: Pairs, training: Pairs, importance: Array, settings: NoiseSettings
    ) -> None:
        self.pair, self.settings = pair, settings
        self.test, self.training, self.importance = test, training, importance[pair]
        generator = np.random.default_rng([settings.seed, pair])
        self.device = DEVICE.scaled(settings.noise)
        self.days = {
            day: self.device.drifted(generator, khz=settings.noise * DRIFT_KHZ)
            for day in ("test", "training")
        }
        self.places = _somewhere(generator, test.w.shape[2])
        self._expected: dict[tuple[Techniques, str], Array] = {}

    def encoding(self, techniques: Techniques) -> Encoding:
        """On the places of the job, unless the techniques choose their own."""
        w, importance = self.test.w[self.pair], self.importance.tolist()
        return Encoding(w, self.device, techniques, importance=importance, places=self.places)

    def readout(self, way: _Way, generator: np.random.Generator) -> Array:
        """The readouts of the test units, (U, n)."""
        encoding = self.encoding(way.techniques)
        q, k, noisy = self._read(encoding, "test", way.share, generator)
        if way.techniques.correct:
            known_q, known_k, known = self._read(encoding, "training", way.share, generator)
            clean = self.training.clean[:, self.pair].numpy()
            encoding.learn(known, known_q, known_k, clean)
        return encoding.corrected(noisy, q, k)

    def _read(
        self, encoding: Encoding, day: str, share: float, generator: np.random.Generator
    ) -> tuple[Tensor, Tensor, Array]:
        """Angles and uncorrected readouts of the units of a day, each (U, n)."""
        units = self.test if day == "test" else self.training
        q, k = units.q[:, self.pair], units.k[:, self.pair]
        key = (replace(encoding.techniques, correct=None), day)
        if key not in self._expected:
            self._expected[key] = encoding.expected(q, k, today=self.days[day])
        shots = round(self.settings.shots * share)
        return q, k, encoding.combined(encoding.sampled(self._expected[key], shots, generator))

    def difference(self, inputs: int) -> float:
        """Largest |difference| of the exact values to `default.mixed`, over some test inputs."""
        q, k = self.test.q[:inputs, self.pair], self.test.k[:inputs, self.pair]
        encoding, today = self.encoding(DEFAULT), self.days["test"]
        gap = encoding.run(q, k, today=today) - encoding.expected(q, k, today=today)
        return float(np.abs(gap).max())


def _somewhere(generator: np.random.Generator, n: int) -> tuple[Place, Place]:
    """Two disjoint random places for n qubits, in random order and directions."""
    spare = len(DEVICE) - 2 * n
    first, second = sorted(generator.integers(0, spare + 1, 2).tolist())
    ways = generator.integers(0, 2, 2).tolist()
    both = (Place(first, bool(ways[0])), Place(second + n, bool(ways[1])))
    return both if generator.integers(2) else both[::-1]


def _silent(done: int, total: int) -> None:
    """The `Progress` of nobody."""


def measure(
    settings: NoiseSettings | None = None,
    progress: Progress = _silent,
    model: HybridCrossModalDistiller | None = None,
) -> NoiseReport:
    """Measure every technique.

    Args:
        settings: how much, and the seeds that determine every figure; None: the full measurement.
        progress: told after every run of a pair's circuit.
        model: in float64; None: the one that ships.

    Raises:
        ValueError: the model has no pair circuits, or they have too many qubits for two copies
            on the device or for exact tables.
        WeightsError: the weights that ship cannot be read.
    """
    started = time.monotonic()
    settings = settings or NoiseSettings()
    model = model or Distiller.load().model
    pair_circuits(model)  # rather before the simulation than after it
    h, options = _encoded(model, settings, "test", settings.units)
    known, _ = _encoded(model, settings, "validation", settings.training_units)
    test, training = pairs_of(model, h), pairs_of(model, known)
    importance = importance_of(model, known)

    comparisons = _comparisons(settings.company)
    ways = list(dict.fromkeys(way for c in comparisons for way in (c.without, c.with_)))
    pairs = test.q.shape[1]
    readouts = {way: np.zeros(test.q.shape) for way in ways}
    difference = 0.0
    for pair in range(pairs):
        job = _Job(pair, test, training, importance, settings)
        for index, way in enumerate(ways):
            generator = np.random.default_rng([settings.seed, pair, index])
            readouts[way][:, pair] = job.readout(way, generator)
            progress(pair * len(ways) + index + 1, pairs * len(ways))
        if pair == 0 and settings.checked:
            difference = job.difference(settings.checked)

    def routed(z: Tensor) -> Array:
        return routing_from(model, h, z).argmax(dim=1).numpy()

    clean, exactly, truth = test.clean.numpy(), routed(test.clean), options.numpy()
    errors = {way: np.abs(z - clean).mean(2) for way, z in readouts.items()}
    choices = {way: routed(torch.from_numpy(z)) for way, z in readouts.items()}
    right = {way: (choice == truth).astype(float) for way, choice in choices.items()}
    names = {c.with_: c.technique + (", with the rest" if c.company else "") for c in comparisons}
    names |= {c.without: f"all but {c.technique}" for c in comparisons if c.company and c.default}
    names |= {_Way(PLAIN): "nothing done", _Way(DEFAULT): "all that are on"}
    generator = np.random.default_rng(settings.seed)
    return NoiseReport(
        settings=asdict(settings) | {"pairs": pairs, "qubits": test.w.shape[2]},
        exact_accuracy=float((exactly == truth).mean()),
        runs=[
            Run(names[way], float(errors[way].mean()), float(right[way].mean()),
                float((choices[way] == exactly).mean()))
            for way in ways
        ],
        effects=[
            Effect(c.technique, c.company, c.default,
                   factor(errors[c.without], errors[c.with_], generator),
                   change(right[c.without], right[c.with_], generator))
            for c in comparisons
        ],
        difference=difference,
        seconds=time.monotonic() - started,
    )  # fmt: skip


def _encoded(
    model: HybridCrossModalDistiller, settings: NoiseSettings, part: Part, units: int
) -> tuple[Tensor, Tensor]:
    """Encodings (U, M, D) and routing labels (U,) of simulated units."""
    data = simulate(settings.data_seed, part, units)
    features = {m: x.to(model.temperature.dtype) for m, x in data.features.items()}
    h = metrics.encode(model, replace(data, features=features))
    return h, data.targets[[head.name for head in HEADS].index("routing")]
