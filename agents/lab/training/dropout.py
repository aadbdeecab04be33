"""Modality dropout: what a network is shown of each unit while it learns."""

from collections.abc import Mapping

import torch
from torch import Tensor

from schemas.modality import MODALITIES, Modality


def draw_masks(
    arrived: Tensor,
    full: float,
    generator: torch.Generator,
    abundance: Mapping[Modality, float] | None = None,
) -> Tensor:
    """Which modalities each unit keeps, bool (N, M): never one that did not arrive, never none.

    A fraction `full` keeps all that arrived; of the others, first the number that stays is drawn
    uniformly from 1 to what arrived, then which: few and single modalities are as frequent as
    nearly complete sets.

    Args:
        arrived: bool, (N, M).
        full: 0 to 1.
        generator: of all that is random here.
        abundance: how often each modality arrives, 0 to 1; None: all alike. Those that arrive
            rarely stay with a weight of one over their abundance, so that the rich ones are
            dropped more and what they know has to find its way to the poor ones. (Weighted
            sampling without replacement: Efraimidis and Spirakis, 2006.)
    """
    count = arrived.sum(1, keepdim=True)
    keep = 1 + (torch.rand(count.shape, generator=generator) * count).long().clamp(max=count - 1)
    keep = torch.where(torch.rand(count.shape, generator=generator) < full, count, keep)
    weight = torch.ones(arrived.shape[1])
    if abundance is not None:
        rates = torch.tensor([abundance[m] for m in MODALITIES])
        weight = 1 / rates.clamp(min=1e-3)
    # The generator does say 0, whose logarithm is what stands for modalities that did not arrive.
    luck = torch.rand(arrived.shape, generator=generator).clamp(min=torch.finfo().tiny)
    key = luck.log() / weight
    order = key.masked_fill(~arrived, -torch.inf).argsort(dim=1, descending=True)
    return torch.zeros_like(arrived).scatter(1, order, torch.arange(arrived.shape[1]) < keep)
