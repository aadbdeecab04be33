"""The distiller in small, for any number of views: encoders, attention, a perceptron.

The encoders and the attention are the distiller's own; only the heads are not, for here there is
one question. Absent views are masked, as there.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from agents.distiller.attention import Variant, attention
from agents.distiller.encoders import DROPOUT, Standardise, encoder
from agents.lab.evaluation.real.data import Digits
from agents.lab.evaluation.real.loop import Recipe, descend
from agents.lab.training.dropout import draw_masks
from agents.lab.training.fitting import seeded
from schemas.modality import Modality

DIM, QUBITS, LAYERS, HIDDEN = 32, 8, 2, 64
FULL = 0.4
"""The fraction of rows that modality dropout leaves complete."""
SOFTNESS = 2.0
"""Temperature at which teacher and student are compared."""
FEATURES = 0.5
"""What the regression of the teacher's hidden layer counts, in units of its variance."""

Shown = tuple[int, ...]
"""Numbers of the views that a network is shown."""


class MultiView(nn.Module):
    """(B, features) of each of M views -> logits (B, classes)."""

    def __init__(
        self, widths: Sequence[int], classes: int, variant: Variant, dropout: float = DROPOUT
    ) -> None:
        super().__init__()
        m = len(widths)
        # The distiller's encoder of vectors; that of the battery is one.
        self.encoders = nn.ModuleList(
            encoder(Modality.BATTERY, (width,), DIM, dropout=dropout) for width in widths
        )
        self.hidden = nn.Linear(m * DIM + m, HIDDEN)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(HIDDEN, classes)
        # Last, so that what the variants have in common begins alike.
        self.attention = attention(m, DIM, QUBITS, LAYERS, variant)
        with torch.no_grad():
            _, z = self.attention(torch.zeros(1, m, DIM), torch.ones(1, m, dtype=torch.bool))
        self.from_readout = nn.Linear(z.numel(), classes, bias=False) if z.numel() else None
        self.gain = nn.Parameter(torch.tensor(0.1))

    def fit_scales(self, views: Sequence[Tensor]) -> None:
        """Standardise with the statistics of these rows, (N, features) of each view."""
        for layers, x in zip(self.encoders, views, strict=True):
            standardise = layers.get_submodule("0")
            assert isinstance(standardise, Standardise)
            standardise.fit(x)

    def forward(self, views: Sequence[Tensor], mask: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, classes) and the hidden layer (B, HIDDEN) under a mask, bool (B, M)."""
        h = torch.stack([f(x) for f, x in zip(self.encoders, views, strict=True)], dim=1)
        h = torch.where(mask.unsqueeze(-1), h, torch.zeros(()))
        h, z = self.attention(h, mask)
        hidden = F.gelu(self.hidden(torch.cat((h.flatten(1), mask.to(h.dtype)), dim=1)))
        logits: Tensor = self.out(self.dropout(hidden))
        if self.from_readout is not None:
            logits = logits + self.gain * self.from_readout(z.flatten(1))
        return logits, hidden


def fit_labelled(
    data: Digits,
    rows: Tensor,
    recipe: Recipe,
    variant: Variant,
    full: float = FULL,
    dropout: float = DROPOUT,
) -> MultiView:
    """Train on labelled rows; all but a fraction `full` under modality dropout."""
    views, labels = [view[rows] for view in data.views], data.labels[rows]
    model = _build(data, views, recipe, variant, dropout)

    def loss(index: Tensor) -> Tensor:
        logits, _ = model([view[index] for view in views], _dropout(len(index), len(views), full))
        return F.cross_entropy(logits, labels[index])

    descend(model, len(rows), recipe, loss)
    return model


def fit_distilled(
    data: Digits,
    labelled: Tensor,
    paired: Tensor,
    teacher: MultiView,
    recipe: Recipe,
    variant: Variant,
) -> MultiView:
    """Train on a teacher's answers about all rows, and on the labels of those that have one.

    The teacher is shown every view, the student a random part of them (modality dropout). Soft
    targets: Hinton et al., 2015; regression of the hidden layer: Romero et al., "FitNets", 2015.

    Args:
        data: all rows.
        labelled: numbers of the rows whose labels may be used.
        paired: numbers of further rows, of which only the views are.
        teacher: trained; frozen.
        recipe: the budget.
        variant: of the student.
    """
    rows = torch.cat((labelled, paired))
    has_label = torch.arange(len(rows)) < len(labelled)
    views, labels = [view[rows] for view in data.views], data.labels[rows]
    model = _build(data, views, recipe, variant, DROPOUT)
    with torch.no_grad():
        logits_t, hidden_t = teacher(views, torch.ones(len(rows), len(views), dtype=torch.bool))
    soft_t = F.softmax(logits_t / SOFTNESS, dim=1)
    std, mean = torch.std_mean(hidden_t, dim=0)
    hidden_t = (hidden_t - mean) / std.clamp(min=1e-3)
    with seeded(recipe.seed):
        project = nn.Linear(HIDDEN, HIDDEN)

    def loss(index: Tensor) -> Tensor:
        shown = _dropout(len(index), len(views), FULL)
        logits, hidden = model([view[index] for view in views], shown)
        log_q = F.log_softmax(logits / SOFTNESS, dim=1)
        total = SOFTNESS**2 * F.kl_div(log_q, soft_t[index], reduction="batchmean")
        total = total + FEATURES * F.mse_loss(project(hidden), hidden_t[index])
        known = has_label[index]
        if bool(known.any()):
            hard = F.cross_entropy(logits[known], labels[index[known]])
            # By the share of labelled rows, so that each counts the same in every batch.
            total = total + known.float().mean() * hard
        return total

    descend(nn.ModuleList([model, project]), len(rows), recipe, loss)
    return model


@torch.no_grad()
def accuracy(model: MultiView, data: Digits, rows: Tensor, shown: Shown) -> float:
    """On these rows, of which only the views `shown` have arrived."""
    mask = torch.zeros(len(rows), len(data.views), dtype=torch.bool)
    mask[:, list(shown)] = True
    logits, _ = model([view[rows] for view in data.views], mask)
    return float((logits.argmax(1) == data.labels[rows]).float().mean())


def _build(
    data: Digits, views: Sequence[Tensor], recipe: Recipe, variant: Variant, dropout: float
) -> MultiView:
    classes = int(data.labels.max()) + 1
    with seeded(recipe.seed):
        model = MultiView([view.shape[1] for view in views], classes, variant, dropout)
    model.fit_scales(views)
    return model


def _dropout(rows: int, views: int, full: float) -> Tensor:
    arrived = torch.ones(rows, views, dtype=torch.bool)
    return draw_masks(arrived, full, torch.default_generator)
