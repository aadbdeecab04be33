"""Temperature scaling: numbers that make probabilities mean what they say.

One per head, tier and set of modalities that arrived: a network that sees less errs more, and not
as much more as its logits say; and what it sees matters more than how much (the material without a
spectrum is a guess). Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.

Fitted by expectation consistency (Clarte et al., UAI 2023): the mean confidence equals the
accuracy. The least negative log-likelihood, which is more usual, leaves three times the calibration
error for the material, where a part of the logits is knowledge and the rest noise.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from agents.distiller.heads import HEADS, Head, split
from agents.distiller.model import HybridCrossModalDistiller, every_subset, subset_number
from agents.lab.training.dataset import Dataset
from agents.lab.training.metrics import encode, fuse

BOUNDS = (0.2, 20.0)
"""Temperatures outside these say that something else is wrong."""


def fit_temperature(logits: Tensor, targets: Sequence[Tensor]) -> Tensor:
    """The temperature of each head at which its mean confidence is its accuracy.

    Confidence falls as the temperature rises, so bisection finds it, the same on every machine.

    Args:
        logits: of units that were not trained on, (N, LOGITS).
        targets: as `heads.losses` wants them.

    Returns:
        float32, (heads,), within `BOUNDS`.
    """
    fitted = []
    for head, part, target in zip(HEADS, split(logits.double()), targets, strict=True):
        right = (part.argmax(1) == target) if head.exclusive else ((part > 0) == (target > 0.5))
        # Half a mistake more than there were: nobody is right for certain.
        accuracy = (right.sum() + 0.5) / (right.numel() + 1)
        low, high = torch.tensor(BOUNDS).double().log()
        for _ in range(24):  # leaves an interval of 3e-7 in log T
            middle = (low + high) / 2
            too_sure = _confidence(head, part / middle.exp()).mean() > accuracy
            low, high = (middle, high) if too_sure else (low, middle)
        fitted.append(((low + high) / 2).exp())
    return torch.stack(fitted).float()


def _confidence(head: Head, logits: Tensor) -> Tensor:
    """The probability of what is said: of the class, or of yes or no for every one."""
    return torch.softmax(logits, 1).amax(1) if head.exclusive else torch.sigmoid(logits.abs())


@torch.no_grad()
def calibrate(model: HybridCrossModalDistiller, data: Dataset) -> None:
    """Fit the temperatures of every tier on units held out, in place.

    For each set of modalities all labelled units count of which it arrived; one that never did
    keeps 1.
    """
    h = encode(model, data)
    for mask in every_subset(len(model.modalities)):
        enough = (data.arrived | ~mask).all(dim=1) & data.labelled
        if not bool(enough.any()):
            continue
        shown = mask.expand(int(enough.sum()), -1)
        targets = [t[enough] for t in data.targets]
        for number, tier in enumerate(model.config.tiers):
            logits = fuse(model, h[enough], shown, tier)
            model.temperature[number, subset_number(mask)] = fit_temperature(logits, targets)


def calibration_error(probabilities: Sequence[Tensor], targets: Sequence[Tensor]) -> list[float]:
    """Expected calibration error of each head, 0 (honest) to 1, over ten bins of confidence.

    For exclusive classes the confidence is that of the class that is said; for independent ones
    every class of every unit counts by itself.

    Args:
        probabilities: per head (N, size).
        targets: as `heads.losses` wants them.
    """
    errors = []
    for head, p, target in zip(HEADS, probabilities, targets, strict=True):
        if head.exclusive:
            confidence, said = p.max(dim=1)
            right = (said == target).double()
        else:
            confidence, right = p.flatten(), target.flatten().double()
        confidence = confidence.double()
        bins = (confidence * 10).long().clamp(max=9)
        gap = torch.zeros(10, dtype=torch.float64).index_add_(0, bins, right - confidence)
        errors.append(float(gap.abs().sum() / len(confidence)))
    return errors
