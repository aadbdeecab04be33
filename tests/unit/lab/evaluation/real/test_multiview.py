"""The distiller in small: it learns, absent views have no influence, pairs teach without labels."""

from dataclasses import replace

import pytest
import torch

from agents.distiller.attention import VARIANTS, Variant
from agents.lab.evaluation.real.data import Digits
from agents.lab.evaluation.real.loop import Recipe
from agents.lab.evaluation.real.multiview import MultiView, accuracy, fit_distilled, fit_labelled
from agents.lab.evaluation.real.split import stratified
from agents.lab.training.fitting import torch_threads

ALL = (0, 1, 2)
RECIPE = Recipe(seed=1, steps=60, batch=20, learning_rate=5e-3)


@pytest.fixture(autouse=True)
def one_thread():  # type: ignore[no-untyped-def]
    with torch_threads(1):
        yield


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_learns(variant: Variant, things: Digits) -> None:
    train, test = stratified(things.labels, [80], 1)
    model = fit_labelled(things, train, RECIPE, variant)
    assert accuracy(model, things, test, ALL) > 0.85
    # One view alone is less, and much better than chance (1 in 4).
    assert 0.4 < accuracy(model, things, test, (2,)) < accuracy(model, things, test, ALL)


@pytest.mark.parametrize("variant", VARIANTS)
def test_absent_views_have_no_influence(variant: Variant, things: Digits) -> None:
    torch.manual_seed(1)
    model = MultiView([5, 7, 3], 4, variant).eval()
    mask = torch.tensor([[True, False, True]]).expand(240, -1)
    other = [things.views[0], torch.full((240, 7), 1e3), things.views[2]]
    torch.testing.assert_close(model(things.views, mask)[0], model(other, mask)[0])


def test_variants_begin_alike_in_what_they_share(things: Digits) -> None:
    models = [fit_labelled(things, torch.arange(8), replace(RECIPE, steps=0), v) for v in VARIANTS]
    for name in ("encoders", "hidden", "out"):
        first, *others = (list(m.get_submodule(name).parameters()) for m in models)
        for other in others:
            assert all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_training_repeats_itself_and_leaves_the_generator_alone(things: Digits) -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    recipe = replace(RECIPE, steps=5)
    first, second = (fit_labelled(things, torch.arange(40), recipe, "hybrid") for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)


def test_pairs_without_labels_teach(things: Digits) -> None:
    labelled, test, paired = stratified(things.labels, [8, 80], 1)
    teacher = fit_labelled(things, labelled, RECIPE, "concatenation", full=1.0)
    alone = fit_labelled(things, labelled, RECIPE, "concatenation")
    student = fit_distilled(things, labelled, paired, teacher, RECIPE, "concatenation")
    left = [(0, 1), (0, 2), (1, 2)]
    gains = [
        accuracy(student, things, test, shown) - accuracy(alone, things, test, shown)
        for shown in left
    ]
    assert sum(gains) > 0


def test_labels_of_paired_rows_are_not_looked_at(things: Digits) -> None:
    labelled, _, paired = stratified(things.labels, [8, 80], 1)
    teacher = fit_labelled(things, labelled, RECIPE, "concatenation", full=1.0)
    hidden = things.labels.clone()
    hidden[paired] = 3 - hidden[paired]
    students = [
        fit_distilled(data, labelled, paired, teacher, replace(RECIPE, steps=10), "concatenation")
        for data in (things, Digits(things.views, hidden))
    ]
    for a, b in zip(students[0].parameters(), students[1].parameters(), strict=True):
        assert torch.equal(a, b)
