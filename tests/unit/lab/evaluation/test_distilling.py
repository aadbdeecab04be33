"""What unlabelled records are worth: the gap by hand, and a small run."""

import pytest

from agents.lab.evaluation.config import EvaluationConfig
from agents.lab.evaluation.distilling import (
    ALONE,
    LONGER,
    ON_LABELLED,
    TEACHER,
    Found,
    compare,
    generation,
)
from agents.lab.evaluation.section import Section, cell

WAYS = [TEACHER, ALONE, ON_LABELLED, generation(1), generation(2), LONGER]


def run(teacher: float, alone: float, *students: float) -> Found:
    """Made up: with nothing missing 0.9 or `teacher`; with one missing as given; with half 0.1
    less."""
    found = zip(WAYS, (0.8, alone, *students), strict=True)
    return {
        way: {"none": teacher if way == TEACHER else 0.9, "one": one, "half": one - 0.1}
        for way, one in found
    }


def test_the_part_of_the_gap_by_hand() -> None:
    runs = [run(0.9, 0.7, 0.75, 0.8, 0.92, 0.7), run(0.8, 0.6, 0.55, 0.7, 0.82, 0.6)]
    section = compare(EvaluationConfig(), runs)
    closed = section.data["gap_closed"]
    # (0.75 - 0.7) / (0.9 - 0.7), (0.55 - 0.6) / (0.8 - 0.6): worse than nothing counts, too,
    assert closed["one"][ON_LABELLED] == pytest.approx([0.25, -0.25])
    assert closed["one"][generation(1)] == pytest.approx([0.5, 0.5])
    # and so does better than the teacher.
    assert closed["one"][generation(2)] == pytest.approx([1.1, 1.1])
    # With half missing 0.1 less each, but not the teacher: gaps of 0.3.
    assert closed["half"][ON_LABELLED] == pytest.approx([1 / 6, -1 / 6])
    assert closed["half"][generation(1)] == pytest.approx([1 / 3, 1 / 3])
    assert "| distilled | 50.0 ± 0.0 | 33.3 ± 0.0 |" in section.text
    assert "| distilled, generation 2 | 110.0 ± 0.0 | 73.3 ± 0.0 |" in section.text
    assert f"| {ON_LABELLED} | 0.0 ± 35.4 | 0.0 ± 23.6 |" in section.text
    assert f"| {ALONE} | 90.0 ± 0.0 | 65.0 ± 7.1 | 55.0 ± 7.1 |" in section.text
    for nobodys in (TEACHER, ALONE):
        assert nobodys not in closed["one"]


def test_where_there_is_no_gap_nothing_is_closed() -> None:
    made_up = run(0.7, 0.7, 0.75, 0.8, 0.8, 0.8)
    closed = compare(EvaluationConfig(), [made_up]).data["gap_closed"]
    assert closed["one"] == {way: [0.0] for way in WAYS[2:]}
    assert closed["half"][generation(1)] == pytest.approx([1.0])


def test_a_small_run_has_all_ways_and_every_seed(
    distilling: Section, config: EvaluationConfig
) -> None:
    runs = distilling.data["runs"]
    assert config.generations == 2
    assert len(runs) == config.seeds
    for found in runs:
        assert list(found) == WAYS
        for by_missing in found.values():
            assert list(by_missing) == ["none", "one", "half"]
            assert all(0 <= right <= 1 for right in by_missing.values())
    assert runs[0] != runs[1], "seeds have units of their own"
    for way in WAYS:
        cells = [cell([found[way][missing] for found in runs]) for missing in ("none", "one")]
        assert f"| {way} | {' | '.join(cells)} |" in distilling.text
    assert distilling.data == compare(config, runs).data
