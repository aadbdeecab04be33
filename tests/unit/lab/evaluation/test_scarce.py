"""Few labels: what is chosen on validation units, and several teachers that speak as one."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from agents.distiller.heads import HEADS, LOGITS, split
from agents.distiller.model import HybridCrossModalDistiller
from agents.lab.evaluation.config import EvaluationConfig
from agents.lab.evaluation.pool import Pool
from agents.lab.evaluation.scarce import (
    BATCH,
    FULL,
    HALF_MISSING,
    NETWORK,
    ONE_MISSING,
    Committee,
    fit_alone,
    fit_distilled,
    fit_generations,
    fit_teacher,
)
from agents.lab.training.dataset import Dataset
from agents.lab.training.distillation import AsymmetricDistillationTrainer, Lessons
from agents.lab.training.fitting import FitConfig, Supervised, build, fit
from agents.lab.training.metrics import ALL, encode, fuse, mask_of
from schemas.modality import MODALITIES

ROUTING = [head.name for head in HEADS].index("routing")


@pytest.fixture(scope="module")
def labelled(config: EvaluationConfig, pool: Pool) -> Dataset:
    return pool.slice(0, config.labelled)


@pytest.fixture(scope="module")
def members(labelled: Dataset) -> list[HybridCrossModalDistiller]:
    """Untrained ones that are of different opinions."""
    return [build(NETWORK, seed, labelled).eval() for seed in (1, 2, 3)]


def same_weights(one: HybridCrossModalDistiller, other: HybridCrossModalDistiller) -> bool:
    weights = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in weights)


def test_what_is_left_where_some_are_missing() -> None:
    assert [len(set(shown)) for shown in ONE_MISSING] == [5] * 6
    assert [len(set(shown)) for shown in HALF_MISSING] == [3] * 20
    assert len({*ONE_MISSING, *HALF_MISSING}) == 26


def test_dropout_alone_is_the_one_that_the_validation_units_prefer(
    config: EvaluationConfig, pool: Pool, labelled: Dataset
) -> None:
    """Of each unit the label that one candidate says of more sets of modalities than the other."""
    longer = replace(config, scarce_epochs=4)
    candidates, votes = [], []
    for full in FULL:
        model = build(NETWORK, 1, labelled)
        fit(Supervised(model), labelled, FitConfig(1, 4, BATCH, full=full))
        candidates.append(model)
        votes.append(votes_of(model, pool.validation))
    for model, for_it, against in zip(candidates, votes, reversed(votes), strict=True):
        favoured, label = (for_it - against).max(1)
        assert favoured.sum() > 0, "there is something to choose"
        targets = list(pool.validation.targets)
        targets[ROUTING] = label
        biased = replace(pool.validation, targets=tuple(targets))
        chosen = fit_alone(longer, labelled, biased, 1)
        assert [same_weights(chosen, one) for one in candidates] == [
            one is model for one in candidates
        ]


def votes_of(model: HybridCrossModalDistiller, data: Dataset) -> Tensor:
    """Of how many sets of modalities it says each option, (N, options)."""
    h = encode(model, data)
    said = [
        split(fuse(model, h, mask_of(shown, len(data))))[ROUTING]
        for shown in [ALL, *ONE_MISSING, *HALF_MISSING]
    ]
    return torch.stack([F.one_hot(x.argmax(1), x.shape[1]) for x in said]).sum(0)


def test_a_committee_says_the_mean_of_what_its_members_say(
    members: list[HybridCrossModalDistiller], labelled: Dataset
) -> None:
    committee = Committee(members).eval()
    shown = torch.ones(len(labelled), len(MODALITIES), dtype=torch.bool)
    shown[::2, 1:4] = False
    with torch.no_grad():
        h = committee.encode_all(labelled.features)
        assert h.shape == (len(labelled), len(MODALITIES), 3 * NETWORK.dim)
        assert committee.config.dim == 3 * NETWORK.dim
        own = [m.encode_all(labelled.features) for m in members]
        said = [m.fuse(x, shown) for m, x in zip(members, own, strict=True)]
        assert not torch.allclose(said[0], said[1], atol=1e-2)
        torch.testing.assert_close(committee.fuse(h, shown), (said[0] + said[1] + said[2]) / 3)
        hidden = committee.features(h, shown)
        assert hidden.shape == (len(labelled), 3 * NETWORK.hidden)
        torch.testing.assert_close(hidden[:, : NETWORK.hidden], members[0].features(own[0], shown))
        torch.testing.assert_close(hidden[:, -NETWORK.hidden :], members[2].features(own[2], shown))


def test_a_committee_teaches_also_where_modalities_are_rare(
    members: list[HybridCrossModalDistiller], labelled: Dataset
) -> None:
    """Knowledge then flows between modalities, from encodings as wide as all members' together."""
    arrived = labelled.arrived.clone()
    arrived[::2, 3:] = False
    data = replace(labelled, arrived=arrived).unlabelled()
    committee = Committee(members)
    before, logits = build(NETWORK, 9, data), Lessons.ask(committee.eval(), data).logits
    student = build(NETWORK, 9, data)
    trainer = AsymmetricDistillationTrainer(committee, student, FitConfig(9, 8, 20, full=1.0))
    losses = trainer.train_with_missing_modalities(data)["student"]
    assert losses[-1] < losses[0]

    def gap(model: HybridCrossModalDistiller) -> float:
        model.eval()
        return float((fuse(model, encode(model, data), data.arrived) - logits).abs().mean())

    assert logits.shape == (len(data), LOGITS)
    assert gap(student) < gap(before), "it came to say what the committee says"


def test_all_three_are_of_one_size_and_repeatable(
    config: EvaluationConfig, pool: Pool, labelled: Dataset
) -> None:
    teacher = fit_teacher(config, labelled, 1)
    more = labelled + pool.slice(config.labelled, config.unlabelled).unlabelled()
    student = fit_distilled(config, [teacher], more, 1)
    alone = fit_alone(config, labelled, pool.validation, 1)
    sizes = {sum(p.numel() for p in model.parameters()) for model in (teacher, student, alone)}
    assert len(sizes) == 1
    assert same_weights(fit_teacher(config, labelled, 1), teacher)
    assert same_weights(fit_distilled(config, [teacher], more, 1), student)
    assert not same_weights(fit_teacher(config, labelled, 2), teacher)
    assert not same_weights(fit_distilled(config, [teacher, teacher], labelled, 1), student)


def test_each_student_teaches_the_next(
    config: EvaluationConfig, members: list[HybridCrossModalDistiller], pool: Pool
) -> None:
    data = pool.slice(0, config.labelled) + pool.slice(50, config.unlabelled).unlabelled()
    first, second = fit_generations(config, members, data, 1)
    assert same_weights(first, fit_distilled(config, members, data, 1))
    assert same_weights(second, fit_distilled(config, [first], data, 1))
    assert not same_weights(first, second)
    assert len(fit_generations(replace(config, generations=1), members, data, 1)) == 1
