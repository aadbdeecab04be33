"""The model card: what the weights are, how they were made and what they get right."""

import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from agents.distiller.calibration import calibration_error
from agents.distiller.dataset import FIRST_INDEX, Dataset, draw_masks
from agents.distiller.files import MODEL, TIER, VERSION, write_whole
from agents.distiller.heads import HEADS
from agents.distiller.metrics import ALL, CUMULATIVE, SINGLE, accuracies, encode, fuse, mask_of
from agents.distiller.model import HybridCrossModalDistiller


def measure(model: HybridCrossModalDistiller, test: Dataset) -> dict[str, Any]:
    """Accuracy by the set of modalities; calibration with all and with random ones."""
    rounded = {
        shown: {head: round(right, 4) for head, right in scores.items()}
        for shown, scores in accuracies(model, test).items()
    }
    h, units = encode(model, test), len(test)
    masks = {
        "complete": mask_of(ALL, units),
        "random subset": draw_masks(units, 0.0, torch.Generator().manual_seed(0)),
    }

    def errors(temperature: Tensor) -> dict[str, dict[str, float]]:
        return {
            kind: {
                head.name: round(error, 5)
                for head, error in zip(
                    HEADS,
                    calibration_error(fuse(model, h, mask), temperature, test.targets),
                    strict=True,
                )
            }
            for kind, mask in masks.items()
        }

    return {
        "all": rounded[ALL],
        "single": {shown[0].value: rounded[shown] for shown in SINGLE},
        "cumulative": {"+".join(shown): rounded[shown] for shown in CUMULATIVE},
        "calibration_error": errors(model.temperature),
        "calibration_error_before_temperatures": errors(torch.ones_like(model.temperature)),
    }


def write(
    path: Path,
    model: HybridCrossModalDistiller,
    recipe: dict[str, Any],
    metrics: dict[str, Any],
    sha256: str,
    history: list[float],
    threads: int,
    seconds: float,
) -> None:
    """Write the card beside the weights. Only `seconds` differs between equal runs."""
    sizes = {part: recipe[f"{part}_units"] for part in FIRST_INDEX}
    parameters = {
        name: _count(child) for name, child in model.named_children() if _count(child)
    } | {"gain": 1}
    card = {
        "model": MODEL,
        "version": VERSION,
        "tier": TIER,
        "sha256": sha256,
        "command": "regrade train",
        "data": {
            "what": "simulated units (agents.simulator); no real product was ever seen",
            "seed": recipe["data_seed"],
            "index_ranges": {
                part: [first, first + sizes[part]] for part, first in FIRST_INDEX.items()
            },
        },
        "recipe": recipe,
        "threads": threads,
        "parameters": {**parameters, "total": _count(model)},
        "temperature": {
            head.name: round(t, 4)
            for head, t in zip(HEADS, model.temperature.tolist(), strict=True)
        },
        "metrics": metrics,
        "loss_by_epoch": [round(loss, 4) for loss in history],
        "seconds": round(seconds, 1),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "numpy", "scipy", "safetensors")},
        },
        "limits": (
            "Trained and measured on simulated units only. The simulator's labels follow from its "
            "latent causes without error; real experts disagree. No claim is made about real "
            "products before the weights are trained again on labelled records of a plant."
        ),
    }
    write_whole(path, (json.dumps(card, indent=2) + "\n").encode())


def _count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
