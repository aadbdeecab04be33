"""What the logits mean: five heads over one vector, each in the order of its enum."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor
from torch.nn import functional as F

from agents.distiller.prediction import Prediction
from schemas.decision import Component, Condition, Grade, Material, Option, Tier


@dataclass(frozen=True, slots=True)
class Head:
    """One question: `exclusive` classes share a softmax, others have a sigmoid each."""

    name: str
    classes: type[StrEnum]
    exclusive: bool

    @property
    def size(self) -> int:
        return len(self.classes)


HEADS: tuple[Head, ...] = (
    Head("quality", Grade, exclusive=True),
    Head("material", Material, exclusive=True),
    Head("routing", Option, exclusive=True),
    Head("reuse", Component, exclusive=False),
    Head("conditions", Condition, exclusive=False),
)
SIZES: list[int] = [head.size for head in HEADS]
LOGITS: int = sum(SIZES)
_HEAD_OF = torch.arange(len(HEADS)).repeat_interleave(torch.tensor(SIZES))
"""The head of each logit, (LOGITS,)."""


def split(logits: Tensor) -> tuple[Tensor, ...]:
    """(..., LOGITS) -> one (..., size) per head, in the order of `HEADS`."""
    return torch.split(logits, SIZES, dim=-1)


def losses(logits: Tensor, targets: Sequence[Tensor]) -> list[Tensor]:
    """The mean negative log-likelihood of each head, in nats.

    Args:
        logits: (B, LOGITS).
        targets: per head the class index, int64 (B,), or, for independent classes, the
            truth of each, float (B, size).
    """
    return [
        F.cross_entropy(part, target)
        if head.exclusive
        else F.binary_cross_entropy_with_logits(part, target)
        for head, part, target in zip(HEADS, split(logits), targets, strict=True)
    ]


def probabilities(logits: Tensor, temperature: Tensor) -> list[Tensor]:
    """Per head (B, size), after division by the head's temperature, (heads,) or (B, heads)."""
    return [
        torch.softmax(part, dim=-1) if head.exclusive else torch.sigmoid(part)
        for head, part in zip(HEADS, split(logits / temperature[..., _HEAD_OF]), strict=True)
    ]


# Tuples: an enumeration makes its members anew each time that one iterates over it.
_GRADES, _MATERIALS, _OPTIONS = tuple(Grade), tuple(Material), tuple(Option)
_COMPONENTS, _CONDITIONS = tuple(Component), tuple(Condition)


def predictions(probabilities: Sequence[Tensor], tier: Tier) -> list[Prediction]:
    """One `Prediction` per row of `probabilities` (as `probabilities` returns them)."""
    rows = zip(*(p.tolist() for p in probabilities), strict=True)
    return [
        Prediction(
            quality=dict(zip(_GRADES, quality, strict=True)),
            material=dict(zip(_MATERIALS, material, strict=True)),
            routing=dict(zip(_OPTIONS, routing, strict=True)),
            reuse=dict(zip(_COMPONENTS, reuse, strict=True)),
            conditions=dict(zip(_CONDITIONS, conditions, strict=True)),
            tier=tier,
        )
        for quality, material, routing, reuse, conditions in rows
    ]
