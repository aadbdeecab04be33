"""Temperature scaling: one number per head that makes its probabilities mean what they say.

Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from agents.distiller.heads import HEADS, SIZES, losses, probabilities

BOUNDS = (0.2, 5.0)
"""Temperatures outside these say that something else is wrong."""


def fit_temperature(logits: Tensor, targets: Sequence[Tensor]) -> Tensor:
    """The temperature of each head that minimises its negative log-likelihood.

    The loss has a single minimum in 1/T, so a ternary search over log T finds it, the same one on
    every machine.

    Args:
        logits: of units that were not trained on, (N, LOGITS).
        targets: as `heads.losses` wants them.

    Returns:
        float32, (heads,), within `BOUNDS`.
    """
    logits = logits.double()
    targets = [t if t.dtype == torch.int64 else t.double() for t in targets]
    low, high = torch.tensor(BOUNDS).double().log().unsqueeze(1).expand(2, len(HEADS)).clone()
    for _ in range(40):  # leaves an interval of 3e-7 in log T
        third = (high - low) / 3
        left, right = low + third, high - third
        better = _loss(logits, left, targets) < _loss(logits, right, targets)
        low, high = torch.where(better, low, left), torch.where(better, right, high)
    temperature: Tensor = ((low + high) / 2).exp().float()
    return temperature


def _loss(logits: Tensor, log_temperature: Tensor, targets: Sequence[Tensor]) -> Tensor:
    """The loss of each head at its temperature, (heads,)."""
    per_logit = log_temperature.exp().repeat_interleave(torch.tensor(SIZES))
    return torch.stack(losses(logits / per_logit, targets))


def calibration_error(
    logits: Tensor, temperature: Tensor, targets: Sequence[Tensor]
) -> list[float]:
    """Expected calibration error of each head, 0 (honest) to 1, over ten bins of confidence.

    For exclusive classes the confidence is that of the class that is said; for independent ones
    every class of every unit counts by itself.
    """
    errors = []
    for head, p, target in zip(HEADS, probabilities(logits, temperature), targets, strict=True):
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
