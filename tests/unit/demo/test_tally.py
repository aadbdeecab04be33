"""Figures of a running line, and how they are shown."""

import io

import pytest
from rich.console import Console
from support.decisions import a_decision

from agents.join import Arrival
from agents.lab.simulator import LinePlan, LineTiming
from schemas import Decision, Disassembly, Modality, RemovalStep
from schemas.feature_record import Origin
from stream.demo.board import board
from stream.demo.line import Line
from stream.demo.send import crc32_partition
from stream.demo.tally import Tally, percentiles
from stream.demo.words import removal
from stream.kafka.topics import Topics

START = 1_772_366_400_000
"""When the line starts, ms."""


def test_percentiles() -> None:
    assert percentiles([]) == {"p50": None, "p99": None}
    assert percentiles([0.005]) == {"p50": 5.0, "p99": 5.0}
    assert percentiles([n / 1000 for n in range(1, 101)]) == {"p50": 50.0, "p99": 99.0}


@pytest.mark.parametrize("width", [60, 120])
def test_a_board_of_what_was_sent_and_decided(width: int) -> None:
    timing = LineTiming(dropout=0.0, duplicates=1.0)
    line = Line(LinePlan(4, 1, START, 4.0, timing), Topics(), damaged=1)
    tally = Tally(line.total, 4)
    shown(tally, width)
    for item in line.timely():
        tally.note_sent(item, item.send_at_ms / 1000)
    assert {unit: len(seen) for unit, seen in tally.seen.items()} == {
        f"LT-00000{n}": 6 for n in range(4)
    }
    decision = decided("LT-000000")
    last = max(tally.seen["LT-000000"].values())
    for change, at in (
        ({"status": "provisional"}, last + 0.01),
        ({}, last + 0.03),
        ({"status": "amended"}, last + 9),
    ):
        tally.note_decision(decision.model_copy(update=change), at)
    assert tally.reactions == [pytest.approx(0.03)]
    board = shown(tally, width)
    assert f"{line.total} of {line.total}" in board
    assert "1 of 4" in board
    assert "undecided: 3" in board
    assert "p50 30.0 ms" in board
    assert f"LT-000000  {decision.routing.option.value}" in board


def decided(unit_id: str) -> Decision:
    seen = Arrival(unit_id, Modality.TEXT, "t", 0, "bench", Origin("units.text", 0, 0))
    decision = a_decision(unit_id, [seen])
    passage = decision.passage.model_copy(update={"closed_by": "complete"})
    return decision.model_copy(update={"passage": passage})


def shown(tally: Tally, width: int) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(board("title", tally))
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def test_what_to_take_out_in_words() -> None:
    decision = decided("LT-1")
    assert removal(decision) == ""
    steps = [
        RemovalStep(
            part=part,
            after=[],
            expected_value=1,
            labour_s=9,
            hazardous=part == "battery",
            put_back=part == "base-cover",
        )
        for part in ("base-cover", "battery", "fan")
    ]
    planned = Disassembly(steps=steps, expected_value=2)
    opened = decision.model_copy(update={"disassembly": planned})
    assert removal(opened) == "take out battery (hazardous), fan"


def test_the_partitioner_of_librdkafka() -> None:
    """Values of confluent-kafka's `consistent` partitioner (CRC32 modulo the count)."""
    assert crc32_partition("123456789", 6) == 0xCBF43926 % 6
