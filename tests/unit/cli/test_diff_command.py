"""`regrade diff` on files and recordings: what it prints, writes, and ends with."""

import json
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from pathlib import Path

import pytest
from support.decisions import a_decision, evidence_of
from support.steps import T0, note

from schemas.decision import Decision, Grade, Option
from schemas.feature_record import Origin
from schemas.record import Record
from stream.replay.recording import RecordingWriter

UNITS = 6
Write = Callable[[str, Sequence[Decision]], str]


def decision(unit: str, option: str = "resell") -> Decision:
    seen = [evidence_of(note(unit), Origin("units.text", 0, 1))]
    made = a_decision(unit, seen, opened_at=T0)
    routing = made.routing.model_copy(update={"option": Option(option)})
    quality = made.quality.model_copy(update={"probabilities": {Grade.A: 1.0}})
    return made.model_copy(update={"routing": routing, "quality": quality, "confidence": 0.8})


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes decisions to a file of the working directory."""
    monkeypatch.chdir(tmp_path)

    def lines(name: str, decisions: Sequence[Decision]) -> str:
        Path(name).write_text("\n".join(each.model_dump_json() for each in decisions) + "\n\n")
        return name

    return lines


@pytest.fixture
def a(write: Write) -> str:
    return write("a.jsonl", [decision(f"LT-{number}") for number in range(UNITS)])


@pytest.fixture
def b(write: Write) -> str:
    """One unit is absent, one goes elsewhere, one comes twice."""
    made = [decision(f"LT-{number}") for number in range(1, UNITS)]
    return write("b.jsonl", [decision("LT-1", "recycle"), *made[1:], made[2]])


def test_a_set_does_not_differ_from_itself(regrade, a) -> None:
    ended = regrade("diff", a, a)
    assert (ended.code, ended.err) == (0, "")
    assert f"No difference in {UNITS} stays" in ended.out


def test_what_differs_is_told(regrade, a, b) -> None:
    ended = regrade("diff", a, b)
    assert (ended.code, ended.err) == (1, "")
    assert "2 stays differ (5 are in both)" in ended.out
    assert "option resell → recycle" in ended.out
    assert "only A decided it" in ended.out


def test_what_strangers_write_is_no_markup(regrade, a, write) -> None:
    strange = decision("LT-1").model_copy(update={"unit_id": "[red]x[/red][/]"})
    ended = regrade("diff", a, write("b.jsonl", [strange]))
    assert (ended.code, ended.err) == (1, "")
    assert "[red]x[/red][/]" in ended.out


def test_json(regrade, a, b) -> None:
    ended = regrade("diff", a, b, "--json")
    assert (ended.code, ended.err) == (1, "")
    found = json.loads(ended.out)
    assert (found["pairs"], found["different"], found["only_a"], found["only_b"]) == (5, 2, 1, 0)
    assert found["aspects"] == {"presence": 1, "option": 1}
    assert [each["unit_id"] for each in found["worst"]] == ["LT-0", "LT-1"]
    assert found["worst"][1]["changes"] == {"option": {"a": "resell", "b": "recycle"}}
    assert {"a": "resell", "b": "recycle", "stays": 1} in found["options"]
    # 0.8 * 50 - 0.2 * 38 and 0.8 * 120 kg; 0.8 * 16 - 0.2 * 24 and 0.8 * (10 + 1) kg
    assert found["lost"] == {"value": -24.4, "co2_kg": -87.2}
    assert found["gained"] == {"value": 0.0, "co2_kg": 0.0}
    assert found["b"]["repeats"] == 1


def test_what_does_not_count_is_left_out(regrade, a, b) -> None:
    assert regrade("diff", a, b, "--ignore", "option", "--ignore", "presence").code == 0
    assert regrade("diff", a, b, "--from", "2030-01-01T00:00:00Z").code == 0
    assert json.loads(regrade("diff", a, b, "--json", "--worst", "1").out)["worst"][0]["b"] is None


def test_records_that_are_no_decisions_are_told(regrade, a) -> None:
    Path("junk.jsonl").write_text(Path(a).read_text() + '{"decision_id": 7}\nnothing\n')
    ended = regrade("diff", a, "junk.jsonl")
    assert ended.code == 0
    assert "junk.jsonl: 2 records are no decisions" in ended.err


def test_recordings(regrade, a, b, tmp_path) -> None:
    topic, shadow = "p.routing.decisions", "p.routing.decisions.shadow-new"
    with RecordingWriter(
        tmp_path / "rec", partitions={topic: 1, shadow: 1, "p.units.text": 1}
    ) as rec:
        for name, file in ((topic, a), (shadow, b)):
            for offset, line in enumerate(Path(file).read_bytes().split()):
                rec.write(Record(name, 0, offset, T0, b"key", line, ()))
    assert regrade("diff", f"rec#{topic}", a).code == 0
    assert regrade("diff", f"rec#{shadow}", b).code == 0
    assert regrade("diff", f"rec#{topic}", f"rec#{shadow}").code == 1
    ended = regrade("diff", "rec", a)
    assert ended.code == 2
    assert f"several: {topic}, {shadow}" in ended.err


def test_a_damaged_recording_says_so(regrade, a, tmp_path) -> None:
    topic = "routing.decisions"
    with RecordingWriter(tmp_path / "rec", partitions={topic: 1}) as rec:
        for offset, line in enumerate(Path(a).read_bytes().split()):
            rec.write(Record(topic, 0, offset, T0, b"key", line, ()))
    (file,) = (tmp_path / "rec").rglob("*.avro")
    data = bytearray(file.read_bytes())
    data[-60] ^= 0xFF
    file.write_bytes(data)
    ended = regrade("diff", "rec", a)
    assert ended.code == 1
    assert "rec is damaged" in ended.err


WRONG = [
    (("nowhere/x", "a.jsonl"), "there is no file or folder nowhere/x"),
    (("a.jsonl", "none.jsonl"), "there is no file or folder none.jsonl"),
    (("a.jsonl", "a.jsonl", "--follow"), "only topics can be followed"),
    (("a.jsonl", "a.jsonl", "--ignore", "weather"), "--ignore weather"),
    (("a.jsonl", "a.jsonl", "--from", "yesterday"), "--from 'yesterday' is not iso 8601"),
    (("a.jsonl", "a.jsonl", "--policy", "none.yaml"), "policy none.yaml cannot be read"),
    (("a.jsonl", "topic://127.0.0.1:1/x"), "no kafka broker answers at 127.0.0.1:1"),
    (("a.jsonl", "."), "there is no recording in ."),
    (("a.jsonl", "a.jsonl", "--html", "none/x.html"), "there is no folder none"),
    (("a.jsonl",), "missing argument"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_what_fails_is_one_line_and_exit_code_2(regrade, a, arguments, message) -> None:
    ended = regrade("diff", *arguments)
    assert ended.code == 2
    assert ended.out == ""
    assert message in ended.err.lower().splitlines()[-1]


class Page(HTMLParser):
    """What a page refers to, and whether what it opens it closes."""

    VOID = ("meta", "link", "rect", "line", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.cells: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.cells += [data.strip()] if data.strip() else []


def test_the_page_needs_nothing_else(regrade, a, write) -> None:
    evil = decision("LT-9").model_copy(update={"unit_id": "<script>alert(1)</script>"})
    b = write("b.jsonl", [decision("LT-1", "recycle"), decision("LT-2", "harvest"), evil])
    assert regrade("diff", a, b, "--html", "out.html").code == 1
    text = Path("out.html").read_text("utf-8")
    page = Page(text)
    assert page.open == []
    assert page.links == ["data:,"]
    assert "<script" not in text
    assert "url(" not in text
    assert "LT-1" in page.cells
    assert "<script>alert(1)</script>" in page.cells
    assert "option resell → recycle" in page.cells
    assert text.count("<caption>") == text.count("<table>") == 3
    assert regrade("diff", a, a, "--html", "same.html").code == 0
    assert "No difference." in Path("same.html").read_text("utf-8")
