"""What unlabelled records are worth: the gap by hand, and a small run."""

import pytest

from agents.evaluation.config import EvaluationConfig
from agents.evaluation.distilling import Found, compare
from agents.evaluation.section import Section, cell

WAYS = ["teacher", "modality dropout alone", "distilled on the labelled units", "distilled"]


def run(teacher: float, alone: float, labels: float, distilled: float) -> Found:
    """Made up: with nothing missing 0.9 or `teacher`; with one missing as given; with half 0.1
    less."""
    found = zip(WAYS, (0.8, alone, labels, distilled), strict=True)
    return {
        way: {"none": teacher if way == "teacher" else 0.9, "one": one, "half": one - 0.1}
        for way, one in found
    }


def test_the_part_of_the_gap_by_hand() -> None:
    section = compare(EvaluationConfig(), [run(0.9, 0.7, 0.75, 0.8), run(0.8, 0.6, 0.55, 0.7)])
    closed = section.data["gap_closed"]
    # (0.75 - 0.7) / (0.9 - 0.7), (0.55 - 0.6) / (0.8 - 0.6): worse than nothing counts, too.
    assert closed["one"]["labels alone"] == pytest.approx([0.25, -0.25])
    assert closed["one"]["unlabelled paired records"] == pytest.approx([0.5, 0.5])
    # With half missing 0.1 less each, but not the teacher: gaps of 0.3.
    assert closed["half"]["labels alone"] == pytest.approx([1 / 6, -1 / 6])
    assert closed["half"]["unlabelled paired records"] == pytest.approx([1 / 3, 1 / 3])
    assert "| unlabelled paired records | 50.0 ± 0.0 | 33.3 ± 0.0 |" in section.text
    assert "| labels alone | 0.0 ± 35.4 | 0.0 ± 23.6 |" in section.text
    assert "| modality dropout alone | 90.0 ± 0.0 | 65.0 ± 7.1 | 55.0 ± 7.1 |" in section.text


def test_where_there_is_no_gap_nothing_is_closed() -> None:
    closed = compare(EvaluationConfig(), [run(0.7, 0.7, 0.75, 0.8)]).data["gap_closed"]
    assert closed["one"] == {"labels alone": [0.0], "unlabelled paired records": [0.0]}
    assert closed["half"]["unlabelled paired records"] == pytest.approx([1.0])


def test_a_small_run_has_all_ways_and_every_seed(
    distilling: Section, config: EvaluationConfig
) -> None:
    runs = distilling.data["runs"]
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
