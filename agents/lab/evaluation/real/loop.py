"""The optimisation that all networks of this part share: so many steps of AdamW."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from agents.lab.training.fitting import schedule, seeded


@dataclass(frozen=True, slots=True)
class Recipe:
    """A budget and how to spend it."""

    seed: int
    """Of the initial weights, the order of the rows, and dropout."""
    steps: int
    batch: int = 50
    learning_rate: float = 3e-3
    weight_decay: float = 0.05


def descend(module: nn.Module, rows: int, recipe: Recipe, loss: Callable[[Tensor], Tensor]) -> None:
    """Make `loss` small; the module is left in eval mode.

    Args:
        module: everything that learns.
        rows: how many there are to learn from; all are seen before one is seen again.
        recipe: the budget.
        loss: of a batch, given the numbers of its rows, int64 (B,).
    """
    optimizer = torch.optim.AdamW(
        module.parameters(),
        lr=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    module.train()
    with seeded(recipe.seed):
        for step, index in zip(range(recipe.steps), _batches(rows, recipe.batch), strict=False):
            for group in optimizer.param_groups:
                group["lr"] = recipe.learning_rate * schedule(step / recipe.steps)
            optimizer.zero_grad()
            torch.autograd.backward(loss(index))
            nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimizer.step()
    module.eval()


def _batches(rows: int, batch: int) -> Iterator[Tensor]:
    while True:
        yield from torch.split(torch.randperm(rows), batch)
