"""The report on disk: a text that names its figures, and every number."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from agents.lab.evaluation.config import EvaluationConfig
from agents.lab.evaluation.report import evaluate, write
from agents.lab.evaluation.section import Plot, Section


def rising(axes: Any) -> None:
    axes.plot([0, 1], [0, 1])


MADE_UP = [
    Section("one", "The first", "Some *text*.", {"a": np.float32(0.5)}),
    Section("two", "The second", "| x |", {"b": [1, 2]}, [Plot("rise", "It rises.", rising)]),
]


@pytest.fixture(scope="module")
def sections(
    variants: Section, distilling: Section, unseen: Section, cascade: Section
) -> list[Section]:
    return [cascade, variants, distilling, unseen]


def strict(text: str) -> Any:
    """JSON as everybody reads it: no NaN, no infinity."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_a_report_by_hand(tmp_path: Path) -> None:
    report = write(tmp_path / "made" / "here", MADE_UP, "regrade evaluate", 184.0)
    lines = report.markdown.read_text().splitlines()
    assert lines[0].startswith("# ")
    assert "`regrade evaluate` in 3 minutes" in lines[2]
    rest = "## The first||Some *text*.||## The second||| x |||![It rises.](rise.png)"
    assert "|".join(lines[4:]) == rest
    found = strict(report.figures.read_text())
    assert found == {
        "command": "regrade evaluate",
        "seconds": 184.0,
        "one": {"a": 0.5},
        "two": {"b": [1, 2]},
    }


def test_every_section_and_figure_is_there(tmp_path: Path, sections: list[Section]) -> None:
    report = write(tmp_path, sections, "regrade evaluate --quick", 60.0)
    text, numbers = report.markdown.read_text(), strict(report.figures.read_text())
    places = [text.index(f"## {section.title}\n") for section in sections]
    assert places == sorted(places)
    figures = []
    for section in sections:
        assert section.text in text
        assert set(numbers[section.name]) == set(section.data)
        figures += [f"{plot.name}.png" for plot in section.plots]
    assert figures == ["tiers.png", "variants.png"]
    for figure in figures:
        assert f"]({figure})" in text
        with Image.open(tmp_path / figure) as image:
            assert image.width > image.height > 300
            assert len(image.convert("RGB").getcolors(1 << 20) or []) > 10, "something is drawn"
    assert {path.name for path in tmp_path.iterdir()} == {*figures, "report.md", "report.json"}


def test_the_same_findings_give_the_same_bytes(tmp_path: Path, sections: list[Section]) -> None:
    for name in ("one", "other"):
        write(tmp_path / name, sections, "regrade evaluate", 1.0)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert len(files) == 4
    for name in files:
        one, other = tmp_path / "one" / name, tmp_path / "other" / name
        assert one.read_bytes() == other.read_bytes(), name


def test_a_later_report_replaces_an_earlier_one(tmp_path: Path) -> None:
    write(tmp_path, MADE_UP, "before", 1.0)
    report = write(tmp_path, MADE_UP[:1], "after", 1.0)
    assert "before" not in report.markdown.read_text()
    assert set(strict(report.figures.read_text())) == {"command", "seconds", "one"}


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_simulated(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")

    def progress(stage: str, done: int, total: int, loss: float) -> None:
        raise AssertionError(f"{stage} has begun")

    config = EvaluationConfig(workers=1, folder=tmp_path / "units")
    with pytest.raises(FileExistsError):
        evaluate(config, tmp_path / "taken", "regrade evaluate", progress)
    assert not (tmp_path / "units").exists()
