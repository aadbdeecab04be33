"""How much an evaluation spends. Every figure of the report depends on this alone."""

from dataclasses import dataclass
from math import ceil
from pathlib import Path


@dataclass(frozen=True, slots=True)
class EvaluationConfig:
    """Sizes, seeds and budgets; `quick` makes the small one."""

    seeds: int = 5
    """Runs of every comparison, each on units of its own and with initial weights of its own."""
    data_seed: int = 20_261_124
    """Of the simulator: a population that neither the shipped weights nor their recipe met."""
    units: int = 6_000
    """Labelled, to train one network of a comparison."""
    epochs: int = 10
    learning_rates: tuple[float, ...] = (3e-3, 6e-3, 1.2e-2)
    """Tried for every variant, with as many epochs: what leads after fewer may be too high."""
    labelled: int = 500
    """Where labels are scarce: so many units have one,"""
    unlabelled: int = 24_000
    """and so many more are only paired records."""
    scarce_epochs: int = 80
    """Over the labelled units alone."""
    distilling_epochs: int = 10
    """Over labelled and unlabelled units, in each generation."""
    generations: int = 2
    """Of students, each the teacher of the next."""
    folds: int = 4
    """Groups of device models, each held out once."""
    validation_units: int = 1_000
    test_units: int = 4_000
    threads: int = 1
    workers: int = 2
    """Processes."""
    folder: Path | None = None
    """Keeps the simulated units between runs; None: a temporary one."""

    @classmethod
    def quick(cls, workers: int = 2, folder: Path | None = None) -> "EvaluationConfig":
        """Every part, small: a look, not a finding. Two seeds and a fraction of the units."""
        return cls(
            seeds=2,
            units=1_500,
            epochs=8,
            learning_rates=(3e-3,),
            labelled=300,
            unlabelled=2_500,
            scarce_epochs=40,
            distilling_epochs=8,
            folds=1,
            validation_units=500,
            test_units=1_500,
            workers=workers,
            folder=folder,
        )

    @property
    def pool_units(self) -> int:
        """Training units that all seeds share out among themselves.

        A group of device models is up to 30 % of all units, and the others must be enough.
        """
        scarce = self.labelled * self.seeds + self.unlabelled
        met = ceil((self.labelled + self.unlabelled) * 10 / 7)
        return max(self.seeds * self.units, scarce, met)

    @property
    def is_quick(self) -> bool:
        """Whether this is less than the full evaluation."""
        return self.seeds < EvaluationConfig().seeds
