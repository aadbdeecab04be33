"""What each modality is worth, and what the circuit is: the README's table.

    python -m agents.distiller.evaluation --seeds 3 --json accuracy.json

Per seed a fresh population of simulated units and fresh initial weights; within a seed the variants
share units, order, modality dropout and every parameter that they have in common. Accuracy is on
units that were never trained on, and on which nothing was chosen.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from agents.distiller.attention import VARIANTS, Variant
from agents.distiller.dataset import simulate
from agents.distiller.files import write_whole
from agents.distiller.heads import HEADS
from agents.distiller.metrics import ALL, CUMULATIVE, SINGLE, Shown, accuracies
from agents.distiller.training import Progress, TrainConfig, fit, silent, torch_threads

Scores = dict[Shown, dict[str, float]]
"""Accuracy by modalities shown and head."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores of every variant, one per seed."""

    config: TrainConfig
    seeds: int
    scores: dict[Variant, list[Scores]]

    def values(self, variant: Variant, shown: Shown, head: str) -> list[float]:
        """One accuracy per seed."""
        return [scores[shown][head] for scores in self.scores[variant]]

    def as_json(self) -> dict[str, Any]:
        """Everything, with the recipe, for a file."""
        return {
            "recipe": self.config.recipe(),
            "seeds": self.seeds,
            "accuracy": {
                variant: {
                    "+".join(shown): {
                        head.name: self.values(variant, shown, head.name) for head in HEADS
                    }
                    for shown in dict.fromkeys(SINGLE + CUMULATIVE)
                }
                for variant in self.scores
            },
        }

    def as_markdown(self) -> str:
        """Tables in per cent: the modalities with the first variant, then the variants."""
        first = next(iter(self.scores))
        names = [head.name for head in HEADS]

        def row(label: str, variant: Variant, shown: Shown) -> str:
            cells = [_cell(self.values(variant, shown, name)) for name in names]
            return f"| {label} | {' | '.join(cells)} |"

        def head_of(label: str) -> list[str]:
            return [f"| {label} | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]

        lines = [*head_of(f"modalities ({first})")]
        lines += [row(f"{shown[0]} alone", first, shown) for shown in SINGLE]
        lines += [row(f"+ {shown[-1]}", first, shown) for shown in CUMULATIVE]
        lines += ["", *head_of("variant, all six")]
        lines += [row(variant, variant, ALL) for variant in self.scores]
        for other in list(self.scores)[1:]:
            gaps = [
                _cell(
                    [
                        a - b
                        for a, b in zip(
                            self.values(first, ALL, name),
                            self.values(other, ALL, name),
                            strict=True,
                        )
                    ],
                    sign="+",
                )
                for name in names
            ]
            lines.append(f"| {first} minus {other} | {' | '.join(gaps)} |")
        return "\n".join(lines)


def _cell(values: Sequence[float], sign: str = "") -> str:
    """Mean and standard deviation over seeds, in per cent."""
    spread = f" ± {100 * stdev(values):.1f}" if len(values) > 1 else ""
    return f"{100 * mean(values):{sign}.1f}{spread}"


def evaluate(
    config: TrainConfig,
    seeds: int = 3,
    variants: Sequence[Variant] = VARIANTS,
    progress: Progress = silent,
) -> Evaluation:
    """Train every variant with every seed and measure it.

    Args:
        config: the recipe; its seed and data seed are the first ones. Writes no files.
        seeds: how many runs, with consecutive seeds.
        variants: which readouts; the first is the one that the others are compared with.
        progress: told of every step of each training.
    """
    scores: dict[Variant, list[Scores]] = {variant: [] for variant in variants}
    for number in range(seeds):
        data_seed = config.data_seed + number
        train = simulate(data_seed, "train", config.train_units, workers=config.workers)
        test = simulate(data_seed, "test", config.test_units, workers=config.workers)
        for variant in variants:
            recipe = replace(config, seed=config.seed + number, variant=variant, checkpoint=None)
            with torch_threads(config.threads):
                model, _ = fit(recipe, train, progress)
                scores[variant].append(accuracies(model, test))
    return Evaluation(config, seeds, scores)


def _report(epoch: int, epochs: int, step: int, steps: int, loss: float) -> None:
    """One line an epoch, on stderr."""
    if step == steps:
        print(f"epoch {epoch}/{epochs}: loss {loss:.3f}", file=sys.stderr)


def main() -> None:
    """Print the tables; with `--json FILE`, write every figure there."""
    default = TrainConfig()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--units", type=int, default=default.train_units, help="to train on")
    parser.add_argument("--epochs", type=int, default=default.epochs)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=VARIANTS)
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    arguments = parser.parse_args()
    config = replace(default, train_units=arguments.units, epochs=arguments.epochs)
    result = evaluate(config, arguments.seeds, arguments.variants, _report)
    if arguments.json:
        write_whole(arguments.json, (json.dumps(result.as_json(), indent=2) + "\n").encode())
    print(result.as_markdown())


if __name__ == "__main__":
    main()
