"""The state of a training after an epoch: one safetensors file, scalars as JSON in its header."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from agents.distiller.files import WeightsError, read_tensors, write_tensors


def save_checkpoint(
    path: Path,
    learner: nn.Module,
    optimizer: torch.optim.Optimizer,
    recipe: dict[str, Any],
    history: list[float],
) -> None:
    """Write parameters, the optimizer's moments, the recipe and the loss of each epoch done."""
    tensors = {f"learner.{name}": tensor for name, tensor in learner.state_dict().items()}
    for index, moments in optimizer.state_dict()["state"].items():
        for name, tensor in moments.items():
            tensors[f"optimizer.{index}.{name}"] = tensor
    write_tensors(path, tensors, {"recipe": recipe, "history": history})


def check_recipe(path: Path, recipe: dict[str, Any]) -> None:
    """That a checkpoint belongs to a recipe.

    Raises:
        WeightsError: the file is damaged, or was made by another recipe.
    """
    _, header, _ = read_tensors(path)
    theirs = header.get("recipe")
    if theirs != recipe:
        raise WeightsError(f"{path} was made by another recipe ({theirs}); remove it or use that")


def load_checkpoint(
    path: Path,
    learner: nn.Module,
    optimizer: torch.optim.Optimizer,
    recipe: dict[str, Any],
) -> list[float]:
    """Restore `learner` and `optimizer`; returns the loss of each epoch done.

    Raises:
        WeightsError: the file is damaged, or was made by another recipe.
    """
    check_recipe(path, recipe)
    tensors, header, _ = read_tensors(path)
    state: dict[int, dict[str, torch.Tensor]] = {}
    parameters: dict[str, torch.Tensor] = {}
    for key, tensor in tensors.items():
        if key.startswith("learner."):
            parameters[key.removeprefix("learner.")] = tensor
        else:
            _, index, name = key.split(".")
            state.setdefault(int(index), {})[name] = tensor
    learner.load_state_dict(parameters)
    optimizer.load_state_dict(
        {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
    )
    history: list[float] = header["history"]
    return history
