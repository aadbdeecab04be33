"""What a model gets right, by the set of modalities it is shown."""

from collections.abc import Collection
from itertools import combinations

import torch
from torch import Tensor

from agents.distiller.heads import HEADS, split
from agents.distiller.model import HybridCrossModalDistiller
from agents.lab.training.dataset import Dataset
from schemas.decision import Tier
from schemas.modality import MODALITIES, Modality

Shown = tuple[Modality, ...]
ALL: Shown = MODALITIES
SINGLE: tuple[Shown, ...] = tuple((m,) for m in MODALITIES)
CUMULATIVE: tuple[Shown, ...] = tuple(MODALITIES[:n] for n in range(1, len(MODALITIES) + 1))
"""One more modality at a time, in the order of the registry."""
SUBSETS: tuple[Shown, ...] = tuple(
    shown for n in range(1, len(MODALITIES) + 1) for shown in combinations(MODALITIES, n)
)
"""All 63."""


@torch.no_grad()
def encode(model: HybridCrossModalDistiller, data: Dataset, batch: int = 250) -> Tensor:
    """Encodings of every unit, (N, M, D), to be fused with any mask."""
    parts = []
    for start in range(0, len(data), batch):
        rows = data.rows(torch.arange(start, min(start + batch, len(data))))
        parts.append(model.encode_all(rows.features))
    return torch.cat(parts)


@torch.no_grad()
def fuse(
    model: HybridCrossModalDistiller,
    h: Tensor,
    mask: Tensor,
    tier: Tier | None = None,
    batch: int = 250,
) -> Tensor:
    """Logits (N, LOGITS) of a tier, None the highest, from encodings (N, M, D) and masks (N, M)."""
    pairs = zip(torch.split(h, batch), torch.split(mask, batch), strict=True)
    return torch.cat([model.fuse(part, shown, tier) for part, shown in pairs])


def mask_of(shown: Collection[Modality], units: int) -> Tensor:
    """The same modalities for each of `units` units, bool (units, M)."""
    return torch.tensor([[m in shown for m in MODALITIES]]).expand(units, -1)


def accuracy(logits: Tensor, targets: tuple[Tensor, ...]) -> dict[str, float]:
    """Per head the fraction that is right; for independent classes the mean over them."""
    return {
        head.name: float(
            (
                part.argmax(dim=1) == target
                if head.exclusive
                else (part > 0) == (target > 0.5)
            ).double().mean()
        )
        for head, part, target in zip(HEADS, split(logits), targets, strict=True)
    }  # fmt: skip


def accuracies(
    model: HybridCrossModalDistiller,
    data: Dataset,
    sets: Collection[Shown] = tuple(dict.fromkeys(SINGLE + CUMULATIVE)),
    tier: Tier | None = None,
) -> dict[Shown, dict[str, float]]:
    """Accuracy of each head of a tier (None: the highest) for each set of modalities."""
    h = encode(model, data)
    return {
        shown: accuracy(fuse(model, h, mask_of(shown, len(data)), tier), data.targets)
        for shown in sets
    }
