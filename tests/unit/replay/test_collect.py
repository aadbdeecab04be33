"""What becomes training data: which decisions count, and what is made of the records they name."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from stream.pipeline.record import Record
from support.decisions import a_decision, evidence_of

from agents.extract.kinds import extract
from agents.join import Arrival, Origin
from agents.lab.simulator import simulate_unit
from agents.lab.training.dataset import SHAPES, Dataset, simulate
from schemas.codec import encode
from schemas.limits import DEFAULT_LIMITS, Limits
from schemas.modality import MODALITIES, Modality
from schemas.observation import Observation
from stream.replay.collect import DecidedPassage, RecentPassages, Units, Used

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
    assert set(passage.used) == {
        Used(TEXT, "b", Origin("units.text", 0, 4)),
        Used(VISUAL, "v", Origin("units.visual", 0, 2)),
    }


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
    """Records by where they lie, and decisions on them."""

    def __init__(self) -> None:
        self.records: dict[Origin, Record] = {}
        self.decisions = []

    def put(self, observation: Observation, value: bytes | None = None) -> Arrival:
        origin = Origin(f"units.{observation.modality}", 1, 10 + len(self.records))
        value = encode(observation) if value is None else value
        self.records[origin] = Record(*origin, timestamp=0, key=None, value=value)
        return evidence_of(observation, origin)

    def decide(self, unit_id: str, evidence: Iterable[Arrival]) -> list[Arrival]:
        evidence = list(evidence)
        at = 1_000 * len(self.decisions)
        self.decisions.append(a_decision(unit_id, evidence, opened_at=at))
        return evidence

    def collect(self, limits: Limits = DEFAULT_LIMITS) -> Units:
        units = Units(passages(*self.decisions), limits)
        units.take(self.records.values())
        return units


def passages(*made) -> list[DecidedPassage]:
    recent = RecentPassages(100)
    for decision in made:
        recent.add(decision)
    return recent.newest()


def assert_row(data: Dataset, row: int, observations: list[Observation]) -> None:
    """Exactly these observations are the features of the row."""
    seen = {o.modality: extract(o.payload) for o in observations}
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
    assert found.origins() == [visual.origin, alone.origin]


@pytest.mark.parametrize("value", [b"", b"{broken", b"\xc3\x01 and nothing"])
def test_what_is_unreadable_is_counted_apart(log: Log, value: bytes) -> None:
    text, battery = observed("LT-1", TEXT, BATTERY)
    log.decide("LT-1", [log.put(text, value), log.put(battery)])
    found = log.collect()
    assert (found.gone, found.unreadable, found.empty) == (0, 1, 0)
    assert_row(found.dataset(), 0, [battery])


def test_limits_hold(log: Log) -> None:
    text, battery = observed("LT-1", TEXT, BATTERY)
    log.decide("LT-1", [log.put(text), log.put(battery)])
    found = log.collect(Limits(text_characters=3))
    assert (found.gone, found.unreadable) == (0, 1)
    assert_row(found.dataset(), 0, [battery])


def test_another_record_at_the_same_place_is_not_taken(log: Log) -> None:
    """As after a topic was deleted and made anew."""
    mine, other = observed("LT-1", TEXT)[0], observed("LT-2", TEXT)[0]
    evidence = log.put(mine)
    log.decide("LT-1", [evidence, log.put(observed("LT-1", BATTERY)[0])])
    log.records[evidence.origin] = Record(*evidence.origin, 0, None, encode(other))
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
    assert found.take(log.records.values()) == 0
    assert (found.gone, found.unreadable) == (0, 0)
