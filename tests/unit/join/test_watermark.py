"""The watermark of a home partition as tables: `marks/*.txt`, each mark and how far time has come.

A case starts with `# its name`. A line is `10s A/5 v0=100 t0=90z -> 88`: at 10 s of the broker's
time comes a mark of worker A in generation 5, which lists partitions 0 of the topics v and t with
their event times; then the watermark is at 88 s (`-`: before anything). What may follow a time
(`?`: null):

    z      not awake              e      at its end             +7     next_offset (else 0)

A mark says that v and t have one partition each, unless it says `v*2`. Other steps:

    vouched v0@6 -> yes     whether a mark has vouched for offset 6 of v0
    wrong -> v0             partitions whose clock is wrong
    holding -> v[0]         what holds time, by name
    restart                 another worker takes over: it knows the watermark and reads the marks
                            back from the oldest one that counts

Marks that have the same time as the one before leave it out. `max_out_of_orderness` is 2 s.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.join import BEGINNING, Watermark
from schemas.feature_record import Origin
from schemas.mark import Mark, SourceProgress

T0 = 1_790_000_000_000
SECOND = 1_000
TOPICS = ("v", "t")

Taken = tuple[Mark, int, int]
"""A mark, its offset and its time, ms."""


def read_cases() -> Iterator[Any]:
    """A parameter a case: its lines."""
    for path in sorted(Path(__file__).with_name("marks").glob("*.txt")):
        _, *cases = re.split(r"^# ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        for case in cases:
            name, _, script = case.partition("\n")
            lines = [line for line in script.splitlines() if line]
            yield pytest.param(lines, id=f"{path.stem}: {name}")


def new_watermark(value: int = BEGINNING) -> Watermark:
    return Watermark(
        TOPICS, max_out_of_orderness=2 * SECOND, max_source_lag=180 * SECOND, value=value
    )


def taken_over(last: Watermark, marks: list[Taken]) -> Watermark:
    """Returns the watermark of a worker that takes the home over after these marks."""
    restored = new_watermark(last.value)
    for mark, offset, at in marks:
        if last.oldest is not None and offset >= last.oldest:
            restored.take(mark, offset, at, moves=False)
    assert restored.value == last.value
    return restored


def read_source(text: str) -> SourceProgress:
    found = re.fullmatch(r"(\w)(\d)=(\d+|\?)([ze]*)(?:\+(\d+))?", text)
    assert found, text
    topic, partition, time, flags, offset = found.groups()
    event_time = None if time == "?" else T0 + int(time) * SECOND
    awake = "z" not in flags
    return SourceProgress(topic, int(partition), int(offset or 0), event_time, awake, "e" in flags)


def read_mark(words: list[str]) -> Mark:
    (worker, generation), counts = words[0].split("/"), {"v": 1, "t": 1}
    for word in words[1:]:
        if "*" in word:
            topic, count = word.split("*")
            counts[topic] = int(count)
    sources = tuple(read_source(word) for word in words[1:] if "*" not in word)
    return Mark(worker, int(generation), counts, sources)


class Script:
    """Runs the steps of a case."""

    def __init__(self) -> None:
        self.watermark = new_watermark()
        self.marks: list[Taken] = []
        self.at = 0

    def run(self, step: str) -> str:
        """Does one step; says what came of it."""
        words = step.split()
        match words:
            case ["vouched", place]:
                topic, number, offset = re.fullmatch(r"(\w)(\d)@(\d+)", place).groups()  # type: ignore[union-attr]
                vouched = self.watermark.vouched(Origin(topic, int(number), int(offset)))
                return "yes" if vouched else "no"
            case ["wrong"]:
                return " ".join(f"{t}{p}" for t, p in sorted(self.watermark.wrong_clocks))
            case ["holding"]:
                return " ".join(sorted(self.watermark.holding()))
            case ["restart"]:
                self.watermark = taken_over(self.watermark, self.marks)
                return ""
        if time := re.fullmatch(r"(\d+)s", words[0]):
            self.at = int(time[1])
            words = words[1:]
        taken = (read_mark(words), 10 * len(self.marks), self.at * SECOND)
        self.marks.append(taken)
        self.watermark.take(*taken)
        value = self.watermark.value
        return "-" if value == BEGINNING else f"{(value - T0) / SECOND:g}"


@pytest.mark.parametrize("lines", list(read_cases()))
def test_case(lines: list[str]) -> None:
    script = Script()
    told, happened = [], []
    for line in lines:
        step, _, outcome = (part.strip() for part in line.partition("->"))
        told.append((step, outcome))
        happened.append((step, script.run(step)))
    assert happened == told


@pytest.mark.parametrize("lines", list(read_cases()))
def test_a_restart_after_any_mark_changes_nothing(lines: list[str]) -> None:
    steps = [line.partition("->")[0].strip() for line in lines]
    undisturbed = Script()
    expected = [undisturbed.run(step) for step in steps]
    for cut in range(len(steps)):
        script = Script()
        happened = [script.run(step) for step in steps[:cut]]
        script.run("restart")
        happened += [script.run(step) for step in steps[cut:]]
        # What is wrong, or holds time, is known again with the next mark.
        named = [i for i, step in enumerate(steps) if step in ("wrong", "holding")]
        for index in named:
            happened[index] = expected[index]
        assert happened == expected, f"restart before line {cut + 1}"


# -- any plant ----------------------------------------------------------------------------------

Place = tuple[str, int]


class Plant:
    """The marks of extract workers that come, go, lose what they knew, and of zombies."""

    def __init__(self) -> None:
        self.marks: list[Taken] = []
        self._generation = 1
        self._counts = {"v": 1, "t": 1}
        self._owners: dict[Place, str] = {("v", 0): "A", ("t", 0): "B"}
        self._offsets: dict[Place, int] = {}
        self._clocks: dict[Place, int | None] = {}
        self._last: dict[str, Mark] = {}
        self._at = 0

    def speak(self, worker: str, passed: int, seen: list[tuple[int, int, int]]) -> None:
        """A worker sends a mark some seconds later, after it has seen something more."""
        listed = []
        mine = [place for place, owner in self._owners.items() if owner == worker]
        for place, (records, seconds, flags) in zip(mine, seen, strict=False):
            self._offsets[place] = self._offsets.get(place, 0) + records
            clock = self._clocks.get(place)
            if records:
                clock = self._clocks[place] = (clock or 0) + seconds
            time = None if clock is None else T0 + clock * SECOND
            at_end, awake = bool(flags & 1), bool(flags & 2)
            listed.append(SourceProgress(*place, self._offsets[place], time, awake, at_end))
        mark = Mark(worker, self._generation, dict(self._counts), tuple(listed))
        self._last[worker] = mark
        self._send(mark, passed)

    def haunt(self, worker: str, passed: int) -> None:
        """A worker says again what it said last: it may be a zombie by now."""
        if worker in self._last:
            self._send(self._last[worker], passed)

    def rebalance(self, workers: str, counts: int, forgets: int) -> None:
        """The partitions, some of them new, are given to these workers, who may know no clock."""
        self._generation += 1
        self._counts = {"v": counts, "t": 1}
        places = [*(("v", number) for number in range(counts)), ("t", 0)]
        self._owners = {p: workers[i % len(workers)] for i, p in enumerate(places)}
        for index, place in enumerate(places):
            if forgets >> index & 1:
                self._clocks[place] = None
                self._offsets[place] = max(self._offsets.get(place, 0) - 1, 0)

    def begin_again(self) -> None:
        """The group is made anew, its workers with it: their generations start again at 1."""
        self._generation = 1
        self._last = {}

    def _send(self, mark: Mark, passed: int) -> None:
        self._at += passed * SECOND
        self.marks.append((mark, 3 * len(self.marks), self._at))


workers = st.sampled_from("AB")
passed = st.sampled_from([0, 1, 1, 1, 1, 40])
speech = st.tuples(
    st.just("speak"),
    workers,
    passed,
    st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from([0, 1, 1, 200]), st.integers(0, 3)),
        min_size=4,
        max_size=4,
    ),
)
events = st.one_of(
    *[speech] * 6,
    st.tuples(st.just("haunt"), workers, passed),
    st.tuples(
        st.just("rebalance"),
        st.sampled_from(["A", "B", "AB", "BA"]),
        st.integers(1, 3),
        st.integers(0, 15),
    ),
)
histories = st.lists(events, max_size=50)


def marks_of(history: list[tuple[Any, ...]]) -> list[Taken]:
    plant = Plant()
    for name, *arguments in history:
        getattr(plant, name)(*arguments)
    return plant.marks


@settings(deadline=None)
@given(histories)
def test_never_goes_back_and_never_beyond_any_clock(history: list[tuple[Any, ...]]) -> None:
    watermark, last, newest = new_watermark(), BEGINNING, BEGINNING
    for mark, offset, at in marks_of(history):
        times = [s.event_time for s in mark.sources if s.event_time is not None]
        newest = max([newest, *times])
        watermark.take(mark, offset, at)
        assert watermark.value >= last
        assert watermark.value <= newest + at
        last = watermark.value


@settings(deadline=None, max_examples=200)
@given(histories, st.booleans(), st.data())
def test_marks_from_the_oldest_on_are_as_good_as_all(
    history: list[tuple[Any, ...]], anew: bool, data: st.DataObject
) -> None:
    if anew:
        history = [*history[: len(history) // 2], ("begin_again",), *history[len(history) // 2 :]]
    marks = marks_of(history)
    cut = data.draw(st.integers(0, len(marks)))
    undisturbed = new_watermark()
    for taken in marks[:cut]:
        undisturbed.take(*taken)
    restored = taken_over(undisturbed, marks[:cut])
    assert restored.oldest == undisturbed.oldest
    places = [Origin(t, p, n) for t, p in (("v", 0), ("v", 1), ("t", 0)) for n in range(20)]
    for taken in marks[cut:]:
        undisturbed.take(*taken)
        restored.take(*taken)
        assert restored.value == undisturbed.value
        assert restored.oldest == undisturbed.oldest
        assert list(map(restored.vouched, places)) == list(map(undisturbed.vouched, places))
