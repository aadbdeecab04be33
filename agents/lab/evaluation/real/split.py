"""Digits to learn from, to choose by, and to be measured on; as many of each digit everywhere."""

from collections.abc import Sequence

import torch
from torch import Tensor


def stratified(labels: Tensor, sizes: Sequence[int], seed: int) -> list[Tensor]:
    """Disjoint random rows of each size, and at last the rows that are left.

    Args:
        labels: int64 (N,), every class equally often.
        sizes: multiples of the number of classes.
        seed: other seeds give other rows.

    Returns:
        Row numbers, int64, one tensor a size and one for the rest.

    Raises:
        ValueError: a size is not a multiple, or together they exceed N.
    """
    classes = sorted(set(labels.tolist()))
    if sum(sizes) > len(labels) or any(size % len(classes) for size in sizes):
        raise ValueError(
            f"sizes {list(sizes)} must be multiples of {len(classes)}, {len(labels)} at most in all"
        )
    generator = torch.Generator().manual_seed(seed)
    each = [size // len(classes) for size in sizes]
    parts: list[list[Tensor]] = []
    for label in classes:
        rows = torch.nonzero(labels == label).squeeze(1)
        rows = rows[torch.randperm(len(rows), generator=generator)]
        parts.append(list(torch.split(rows, [*each, len(rows) - sum(each)])))
    return [torch.cat(part) for part in zip(*parts, strict=True)]
