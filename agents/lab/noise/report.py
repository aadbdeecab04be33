"""What the noise measurement found, with its uncertainty."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def as_json(self) -> dict[str, float]:
        return {name: round(getattr(self, name), 5) for name in ("value", "low", "high")}

    def text(self, digits: int = 2, scale: float = 1.0, sign: str = "") -> str:
        """value [low, high]"""
        parts = (f"{scale * x:{sign}.{digits}f}" for x in (self.value, self.low, self.high))
        return "{} [{}, {}]".format(*parts)


def _interval(value: float, resampled: Array) -> Interval:
    low, high = np.quantile(resampled, (0.025, 0.975))
    return Interval(value, float(low), float(high))


def factor(without: Array, with_: Array, generator: np.random.Generator) -> Interval:
    """By which factor the mean absolute error is lower.

    The bootstrap is paired and resamples both units and pairs: the units of a pair share its
    circuit, its place and the device of its day.

    Args:
        without: absolute errors, (U, P).
        with_: of the same units and pairs.
        generator: of the bootstrap.
    """
    units, pairs = without.shape
    cu = generator.multinomial(units, np.full(units, 1 / units), RESAMPLES).astype(float)
    cp = generator.multinomial(pairs, np.full(pairs, 1 / pairs), RESAMPLES).astype(float)
    sums = [((cu @ errors) * cp).sum(1) for errors in (without, with_)]
    return _interval(float(without.mean() / with_.mean()), sums[0] / sums[1])


def change(without: Array, with_: Array, generator: np.random.Generator) -> Interval:
    """Difference of two means over the same units, each (U,): with minus without, paired."""
    units = len(without)
    counts = generator.multinomial(units, np.full(units, 1 / units), RESAMPLES)
    resampled = counts @ (with_ - without) / units
    return _interval(float((with_ - without).mean()), resampled)


@dataclass(frozen=True, slots=True)
class Run:
    """One way of running the circuits."""

    name: str
    error: float
    """Mean absolute error of <Z>."""
    accuracy: float
    """Of the routing, of complete units."""
    agreement: float
    """Fraction of units that are routed as without noise."""

    def as_json(self) -> dict[str, Any]:
        return {
            "run": self.name,
            "mean_absolute_error": round(self.error, 5),
            "routing_accuracy": round(self.accuracy, 4),
            "routed_as_without_noise": round(self.agreement, 4),
        }


@dataclass(frozen=True, slots=True)
class Effect:
    """What one technique does, alone or in the company of the others."""

    technique: str
    company: bool
    """False: against nothing else. True: what the default gains by it, or would."""
    default: bool
    """Whether it is on by default."""
    factor: Interval
    """Error without over error with: above 1 it helps."""
    accuracy: Interval
    """Change of the routing accuracy."""

    @property
    def verdict(self) -> str:
        """What the interval of the factor says."""
        if self.factor.low > 1:
            return "helps"
        return "harms" if self.factor.high < 1 else "no effect shown"

    def as_json(self) -> dict[str, Any]:
        return {
            "technique": self.technique,
            "in_company": self.company,
            "on_by_default": self.default,
            "error_factor": self.factor.as_json(),
            "routing_accuracy_change": self.accuracy.as_json(),
            "verdict": self.verdict,
        }


@dataclass(frozen=True, slots=True)
class NoiseReport:
    """Everything that was measured."""

    settings: dict[str, Any]
    exact_accuracy: float
    """Of the routing, without noise."""
    runs: list[Run]
    effects: list[Effect]
    difference: float
    """Largest |difference| between the exact contraction used and `default.mixed`."""
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Every figure, for a file."""
        return {
            "settings": self.settings,
            "routing_accuracy_without_noise": round(self.exact_accuracy, 4),
            "runs": [run.as_json() for run in self.runs],
            "effects": [effect.as_json() for effect in self.effects],
            "largest_difference_to_default_mixed": self.difference,
            "seconds": round(self.seconds, 1),
        }

    def as_markdown(self) -> str:
        """Two tables: what each technique does, and how each way of running fares."""
        lines = [
            "| technique | measured | error of ⟨Z⟩ falls by the factor (95 %) "
            "| routing accuracy, points (95 %) | finding | default |",
            "|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {e.technique} | {'in company' if e.company else 'alone'} | {e.factor.text()} "
            f"| {e.accuracy.text(1, 100, '+')} | {e.verdict} | {'on' if e.default else 'off'} |"
            for e in self.effects
        ]
        lines += [
            "",
            "| run | mean absolute error of ⟨Z⟩ | routing accuracy | routed as without noise |",
            "|---|---|---|---|",
            f"| no noise | 0 | {100 * self.exact_accuracy:.1f} % | 100 % |",
        ]
        lines += [
            f"| {r.name} | {r.error:.4f} | {100 * r.accuracy:.1f} % | {100 * r.agreement:.1f} % |"
            for r in self.runs
        ]
        return "\n".join(lines)
