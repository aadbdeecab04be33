"""What the logs of workers tell: what they work on, and whether the line is at work."""

import pytest
from support.worker_log import Work, all_gone_on, all_read, input_partitions

from stream.kafka.topics import TopicReport, Topics, TopicState

HOMES = "Generation {}: home partitions {}, of which {} are new here"
GOES_ON = "Home partition {} goes on at offset 0: 12 decisions and 3 records with marks read back"
INPUTS = "[2026-11-25 10:00:00] INFO Generation {}: input partitions {}"


def work(*lines: str) -> Work:
    return Work.read("\n".join(["starting", *lines, ""]))


def test_a_worker_that_has_only_started() -> None:
    found = work()
    assert (found.extract_generation, found.decide_generation) == (None, None)
    assert not all_read([found], frozenset())
    assert not all_gone_on([found], 0)
    assert not all_read([], frozenset())


def test_homes_go_on_one_by_one() -> None:
    taken = HOMES.format(3, [0, 1], [1])
    assert work(HOMES.format(2, [0], [0]), GOES_ON.format(0), taken).waiting == {1}
    assert work(HOMES.format(2, [0], [0]), taken).waiting == {0, 1}
    assert work(HOMES.format(2, [0], [0]), taken, GOES_ON.format(1)).waiting == {0}
    assert work(HOMES.format(2, [0], [0]), HOMES.format(3, [], [])).waiting == frozenset()


def test_the_last_lines_count() -> None:
    first, last = INPUTS.format(2, "units.text[0], units.visual[1]"), INPUTS.format(3, "none")
    assert work(first).inputs == {"units.text[0]", "units.visual[1]"}
    found = work(first, last)
    assert (found.extract_generation, found.inputs) == (3, frozenset())


@pytest.mark.parametrize(
    ("second", "settled"),
    [
        ((HOMES.format(3, [1], [1]), GOES_ON.format(1)), True),
        ((HOMES.format(3, [1], [1]),), False),
        ((HOMES.format(4, [1], [1]), GOES_ON.format(1)), False),
        ((HOMES.format(3, [0, 1], [1]), GOES_ON.format(1), GOES_ON.format(0)), False),
        ((HOMES.format(3, [], []),), False),
    ],
    ids=["both have theirs", "still reading back", "another generation", "twice", "nobody's"],
)
def test_homes_are_shared(second: tuple[str, ...], settled: bool) -> None:
    one = work(HOMES.format(3, [0], [0]), GOES_ON.format(0))
    assert all_gone_on([one, work(*second)], 2) is settled


def test_inputs_are_shared() -> None:
    report = TopicReport(
        "units.features",
        tuple(TopicState(name, count) for name, count in {"units.text": 2, "other": 4}.items()),
        (),
        (),
    )
    wanted = input_partitions(Topics(), report)
    assert wanted == {"units.text[0]", "units.text[1]"}
    one, two = (work(INPUTS.format(2, name)) for name in sorted(wanted))
    assert all_read([one, two], wanted)
    assert not all_read([one], wanted)
    assert not all_read([one, work(INPUTS.format(3, "units.text[1]"))], wanted)
