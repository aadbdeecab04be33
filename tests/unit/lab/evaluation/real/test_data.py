"""The data files, as their packages ship them: shapes, classes, counts."""

from collections import Counter

import numpy as np
import torch
from support.real_data import wheels

from agents.lab.evaluation.real.data import FEWEST, VIEWS, Column, coffee, digits, work_orders


def test_digits() -> None:
    data = digits(wheels())
    assert [view.shape for view in data.views] == [
        (2000, 6), (2000, 47), (2000, 76), (2000, 64), (2000, 240), (2000, 216),
    ]  # fmt: skip
    assert len(data.views) == len(VIEWS)
    assert all(view.isfinite().all() for view in data.views)
    assert data.labels.bincount().tolist() == [200] * 10
    # The first row of the first file is a row, not the line of names above it.
    torch.testing.assert_close(
        data.views[0][0], torch.tensor([1.0, 0.0, 0.0, 133.15, 1.3117, 1620.2])
    )


def test_coffee() -> None:
    data = coffee(wheels())
    assert data.spectra.shape == (60, 1841)
    assert np.isfinite(data.spectra).all()
    assert data.origins == ("Brasil", "Ethiopia", "Vietnam")
    assert np.bincount(data.labels).tolist() == [20, 20, 20]
    assert data.origins[data.labels[0]] == "Ethiopia"


def test_work_orders() -> None:
    classes: dict[Column, int] = {"MajorSystem": 6, "Part": 18}
    for column, count in classes.items():
        data = work_orders(column, wheels())
        sizes = np.bincount(data.labels).tolist()
        assert len(data.classes) == len(sizes) == count
        assert min(sizes) >= FEWEST
        assert sizes == sorted(sizes, reverse=True)
        assert not {"NA", ""} & set(data.classes)
        texts = Counter(" ".join(text.lower().split()) for text in data.texts)
        assert texts.most_common(1)[0][1] == 1
    parts = work_orders("Part", wheels())
    about = dict(zip(parts.texts.tolist(), parts.labels.tolist(), strict=True))
    assert parts.classes[about["JUMP START"]] == "Starting System"
