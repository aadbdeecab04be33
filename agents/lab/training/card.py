"""The model card: what the weights are, how they were made and what they get right."""

import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from agents.distiller.files import MODEL, VERSION, write_whole
from agents.distiller.heads import HEADS
from agents.distiller.model import HybridCrossModalDistiller
from agents.extract.kinds import KINDS
from agents.lab.training.calibration import calibration_error
from agents.lab.training.cost import multiply_adds
from agents.lab.training.dataset import FIRST_INDEX, Dataset
from agents.lab.training.metrics import (
    ALL,
    CUMULATIVE,
    SINGLE,
    SUBSETS,
    accuracies,
    accuracy,
    encode,
    fuse,
    mask_of,
)


@torch.no_grad()
def measure(
    model: HybridCrossModalDistiller, teacher: HybridCrossModalDistiller, test: Dataset
) -> dict[str, Any]:
    """Accuracy by the set of modalities and by tier, calibration, multiply-adds."""
    h, units = encode(model, test), len(test)
    found = {shown: _rounded(scores) for shown, scores in accuracies(model, test).items()}
    tiers = {
        tier.value: {
            "accuracy": _rounded(accuracy(fuse(model, h, mask_of(ALL, units), tier), test.targets)),
            "multiply_adds": multiply_adds(model, ALL, tier),
        }
        for tier in model.config.tiers
    }
    return {
        "all": found[ALL],
        "single": {shown[0].value: found[shown] for shown in SINGLE},
        "cumulative": {"+".join(shown): found[shown] for shown in CUMULATIVE},
        "tiers": tiers,
        "teacher": {
            "accuracy": _rounded(accuracies(teacher, test, [ALL])[ALL]),
            "multiply_adds": multiply_adds(teacher, ALL),
        },
        "calibration_error": calibration(model, test),
    }


def calibration(model: HybridCrossModalDistiller, test: Dataset) -> dict[str, Any]:
    """Expected calibration error of every tier and head over the 63 subsets: mean and worst."""
    h = encode(model, test)
    found: dict[str, Any] = {}
    for tier in model.config.tiers:
        errors = []
        for shown in SUBSETS:
            mask = mask_of(shown, len(test))
            said = model.calibrated(fuse(model, h, mask, tier), mask, tier)
            errors.append(calibration_error(said, test.targets))
        by_head = zip(HEADS, zip(*errors, strict=True), strict=True)
        found[tier.value] = {
            head.name: {"mean": round(sum(e) / len(e), 4), "worst": round(max(e), 4)}
            for head, e in by_head
        }
    return found


def _rounded(scores: dict[str, float]) -> dict[str, float]:
    return {head: round(right, 4) for head, right in scores.items()}


def write(
    path: Path,
    model: HybridCrossModalDistiller,
    recipe: dict[str, Any],
    metrics: dict[str, Any],
    sha256: str,
    losses: dict[str, list[float]],
    threads: int,
    seconds: float,
) -> None:
    """Write the card beside the weights. Only `seconds` differs between equal runs."""
    sizes = {part: recipe[f"{part}_units"] for part in FIRST_INDEX}
    parameters = {name: _count(child) for name, child in model.named_children() if _count(child)}
    card = {
        "model": MODEL,
        "version": VERSION,
        "tiers": [tier.value for tier in model.config.tiers],
        "sha256": sha256,
        "command": "regrade train",
        "data": {
            "what": "simulated units (agents.lab.simulator); no real product was ever seen",
            "seed": recipe["data_seed"],
            "index_ranges": {
                part: [first, first + sizes[part]] for part, first in FIRST_INDEX.items()
            },
        },
        "features": {m.value: KINDS[m].fingerprint for m in model.modalities},
        "recipe": recipe,
        "threads": threads,
        "parameters": {**parameters, "total": _count(model)},
        "temperature": {
            tier.value: {head.name: round(t, 4) for head, t in zip(HEADS, of_all[-1], strict=True)}
            for tier, of_all in zip(model.config.tiers, model.temperature.tolist(), strict=True)
        },
        "metrics": metrics,
        "loss_by_epoch": {
            stage: [round(loss, 4) for loss in history] for stage, history in losses.items()
        },
        "seconds": round(seconds, 1),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "numpy", "numba", "safetensors")},
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
