"""What becomes training data: which decisions count, and what is made of the records they name."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.decisions import a_decision, evidence_of

from agents.extract.kinds import KINDS, extract
from agents.join import Arrival
from agents.lab.simulator import simulate_unit
from agents.lab.training.dataset import SHAPES, Dataset, simulate
from schemas.feature_record import FeatureRecord, Origin
from schemas.modality import MODALITIES, Modality
from schemas.observation import Observation
from stream.replay.collect import DecidedPassage, RecentPassages, Units

VISUAL, TEXT, BATTERY = Modality.VISUAL, Modality.TEXT, Modality.BATTERY


# -- which decisions count ------------------------------------------------------------------


def arrival(modality: Modality, name: str, captured_at: int = 0, offset: int = 0) -> Arrival:
    origin = Origin(f"units.{modality}", 0, offset)
    return Arrival("LT-1", modality, name, captured_at, "s", origin)


FIRST = [arrival(TEXT, "t")]
MORE = [*FIRST, arrival(BATTERY, "b")]

REVISIONS = [
    pytest.param([(1, "final", FIRST)], 1, id="final"),
    pytest.param([(1, "provisional", FIRST)], None, id="provisional"),
    pytest.param([(1, "provisional", FIRST), (2, "final", MORE)], 2, id="made final"),
    pytest.param([(1, "final", FIRST), (2, "amended", MORE)], 2, id="amended"),
    pytest.param([(2, "amended", MORE), (1, "final", FIRST)], 2, id="overtaken"),
    pytest.param([(1, "final", FIRST), (1, "final", MORE)], 1, id="the first of two wins"),
]


@pytest.mark.parametrize(("revisions", "counts"), REVISIONS)
def test_the_highest_revision_that_is_not_provisional_counts(revisions, counts) -> None:
    recent = RecentPassages(10)
    for revision, status, evidence in revisions:
        recent.add(a_decision("LT-1", evidence, revision=revision, status=status))
    found = recent.newest()
    assert [p.revision for p in found] == ([] if counts is None else [counts])
    for passage in found:
        expected = MORE if passage.revision == 2 else FIRST
        assert {used.observation_id for used in passage.used} == {
            a.observation_id for a in expected
        }


def test_of_several_observations_of_a_modality_the_newest_counts() -> None:
    seen = [
        arrival(TEXT, "old", 1, offset=9),
        arrival(TEXT, "b", 5, offset=4),
        arrival(TEXT, "a", 5, offset=7),
        arrival(VISUAL, "v", 3, offset=2),
    ]
    [passage] = passages(a_decision("LT-1", seen))
    used = {(e.modality, e.observation_id, e.topic, e.partition, e.offset) for e in passage.used}
    assert used == {(TEXT, "b", "units.text", 0, 4), (VISUAL, "v", "units.visual", 0, 2)}


decisions = st.lists(
    st.builds(
        lambda unit, at, revision: a_decision(f"LT-{unit}", FIRST, opened_at=at, revision=revision),
        st.integers(0, 3),
        st.integers(0, 8),
        st.integers(1, 3),
    ),
    max_size=40,
)


@given(decisions, st.integers(1, 6))
def test_the_most_recent_passages_are_kept_in_the_order_of_their_opening(made, limit) -> None:
    recent = RecentPassages(limit)
    best: dict[str, int] = {}
    opened = {d.passage_id: d.passage.opened_at for d in made}
    for decision in made:
        recent.add(decision)
        best[decision.passage_id] = max(best.get(decision.passage_id, 0), decision.revision)
    expected = sorted(opened, key=lambda name: (opened[name], name))[-limit:]
    assert [(p.passage_id, p.revision) for p in recent.newest()] == [(n, best[n]) for n in expected]


# -- what is made of the records ------------------------------------------------------------

SEED = 4
NOON = 1_772_366_400_000
"""An event time, ms."""


def observed(unit_id: str, *modalities: Modality) -> list[Observation]:
    """Of a unit of the simulator, whose number its name ends in."""
    unit = simulate_unit(SEED, int(unit_id[3:]))
    return [
        Observation(unit_id, f"{unit_id}-{m}", NOON, f"{m}-1", unit.payload(m)) for m in modalities
    ]


class Log:
    """Feature records by the origin of what they were made of, and decisions on them."""

    def __init__(self) -> None:
        self.records: dict[Origin, FeatureRecord] = {}
        self.decisions = []

    def put(self, observation: Observation) -> Arrival:
        origin = Origin(f"units.{observation.modality}", 1, 10 + len(self.records))
        self.records[origin] = FeatureRecord(
            observation.unit_id,
            observation.modality,
            observation.observation_id,
            observation.captured_at,
            observation.source,
            origin,
            KINDS[observation.modality].fingerprint,
            extract(observation.payload),
        )
        return evidence_of(observation, origin)

    def decide(self, unit_id: str, evidence: Iterable[Arrival]) -> list[Arrival]:
        evidence = list(evidence)
        at = 1_000 * len(self.decisions)
        self.decisions.append(a_decision(unit_id, evidence, opened_at=at))
        return evidence

    def collect(self) -> Units:
        units = Units(passages(*self.decisions))
        for record in self.records.values():
            units.take(record)
        return units


def passages(*made) -> list[DecidedPassage]:
    recent = RecentPassages(100)
    for decision in made:
        recent.add(decision)
    return recent.newest()


def assert_row(data: Dataset, row: int, observations: list[Observation]) -> None:
    """Exactly these observations are the features of the row."""
    seen = {o.modality: extract(o.payload).astype(np.float32) for o in observations}
    assert data.arrived[row].tolist() == [m in seen for m in MODALITIES]
    for m in MODALITIES:
        expected = seen.get(m, np.zeros(SHAPES[m], np.float32))
        assert np.array_equal(data.features[m][row].numpy(), expected), m


@pytest.fixture
def log() -> Log:
    return Log()


def test_features_are_those_of_the_observations_and_zero_where_there_was_none(log: Log) -> None:
    units = {
        "LT-1": observed("LT-1", *MODALITIES),
        "LT-2": observed("LT-2", TEXT),
        "LT-3": observed("LT-3", VISUAL, BATTERY),
    }
    for unit_id, observations in units.items():
        log.decide(unit_id, map(log.put, observations))
    found = log.collect()
    assert (found.sought, found.gone, found.unreadable, found.empty) == (9, 0, 0, 0)
    data = found.dataset()
    assert len(data) == 3
    for row, observations in enumerate(units.values()):
        assert_row(data, row, observations)


def test_the_file_is_training_data_without_labels(log: Log, tmp_path: Path) -> None:
    log.decide("LT-1", map(log.put, observed("LT-1", TEXT, BATTERY)))
    log.collect().dataset().save(tmp_path / "c")
    loaded = Dataset.load(tmp_path / "c")
    assert not loaded.labelled.any()
    simulated = simulate(SEED, "train", 1)
    both = simulated + loaded  # of the same shapes, or this would raise
    assert both.labelled.tolist() == [True, False]
    for ours, theirs in zip(loaded.targets, simulated.targets, strict=True):
        assert ours.dtype == theirs.dtype
    assert both.features[TEXT].dtype == torch.float32


def test_what_is_gone_is_counted_and_the_rest_is_used(log: Log) -> None:
    visual, _ = log.decide("LT-1", map(log.put, observed("LT-1", VISUAL, TEXT)))
    [alone] = log.decide("LT-2", map(log.put, observed("LT-2", BATTERY)))
    log.decide("LT-3", map(log.put, observed("LT-3", BATTERY)))
    del log.records[visual.origin], log.records[alone.origin]
    found = log.collect()
    assert (found.gone, found.unreadable, found.empty) == (2, 0, 1)
    data = found.dataset()
    assert len(data) == 2
    assert_row(data, 0, observed("LT-1", TEXT))
    assert_row(data, 1, observed("LT-3", BATTERY))


def test_what_another_version_extracted_is_counted_apart(log: Log) -> None:
    text, battery = map(log.put, observed("LT-1", TEXT, BATTERY))
    log.decide("LT-1", [text, battery])
    log.records[text.origin] = replace(log.records[text.origin], fingerprint="0123456789abcdef")
    found = log.collect()
    assert (found.gone, found.unreadable, found.empty) == (0, 1, 0)
    assert_row(found.dataset(), 0, observed("LT-1", BATTERY))


def test_another_record_at_the_same_place_is_not_taken(log: Log) -> None:
    """As after a topic was deleted and made anew."""
    mine, other = observed("LT-1", TEXT)[0], observed("LT-2", TEXT)[0]
    evidence = log.put(mine)
    log.decide("LT-1", [evidence, log.put(observed("LT-1", BATTERY)[0])])
    made_anew = log.records[log.put(other).origin]
    log.records[evidence.origin] = replace(made_anew, origin=evidence.origin)
    found = log.collect()
    assert (found.gone, found.unreadable) == (1, 0)
    assert_row(found.dataset(), 0, observed("LT-1", BATTERY))


def test_a_record_that_two_passages_name_serves_both(log: Log) -> None:
    shared = observed("LT-1", TEXT)[0]
    evidence = log.put(shared)
    for _ in range(2):
        log.decide("LT-1", [evidence])
    found = log.collect()
    assert (found.sought, found.gone) == (2, 0)
    for row in range(2):
        assert_row(found.dataset(), row, [shared])


def test_a_record_that_comes_again_changes_nothing(log: Log) -> None:
    log.decide("LT-1", map(log.put, observed("LT-1", TEXT)))
    found = log.collect()
    for record in log.records.values():
        found.take(record)
    assert (found.gone, found.unreadable) == (0, 0)
