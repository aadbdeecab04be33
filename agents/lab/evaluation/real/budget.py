"""How much this part of the evaluation spends, full and quick."""

from dataclasses import dataclass
from typing import Literal, get_args

from agents.distiller.attention import VARIANTS, Variant
from agents.lab.evaluation.config import EvaluationConfig

Task = Literal["coffee", "coffee, 15 to train on", "system", "part"]
"""What one modality alone is asked: see `single`."""


@dataclass(frozen=True, slots=True)
class Scarce:
    """Where labels are scarce."""

    labelled: int
    """So many digits have a label; the others, but for the test, are only paired records."""
    views: int
    """The first so many of `VIEWS`."""

    def __str__(self) -> str:
        return f"{self.labelled} labels, {self.views} views"


@dataclass(frozen=True, slots=True)
class Budget:
    """Sizes that do not depend on the seed."""

    tasks: tuple[Task, ...] = get_args(Task)
    draws: int = 3
    """Of 15 spectra to train on, each seed."""

    views: tuple[int, ...] = (2, 3, 4, 5, 6)
    """Numbers of modalities on which the variants are compared."""
    variants: tuple[Variant, ...] = VARIANTS
    learning_rates: tuple[float, ...] = (1.5e-3, 3e-3, 6e-3)
    """Tried for each variant and number of views on digits held out for it."""
    labelled: int = 200
    validation: int = 400
    """The other digits are for the test."""
    steps: int = 160

    scarce: tuple[Scarce, ...] = (Scarce(100, 6), Scarce(200, 6), Scarce(100, 3))
    scarce_test: int = 600
    scarce_steps: int = 500
    """Of each network: modality dropout alone has learnt what it can by then."""

    @classmethod
    def of(cls, config: EvaluationConfig) -> "Budget":
        """The budget that goes with a configuration."""
        if config.is_quick:
            return cls(
                tasks=("coffee", "system"),
                views=(3, 6),
                learning_rates=(3e-3,),
                scarce=(Scarce(100, 6),),
                scarce_steps=300,
            )
        return cls()
