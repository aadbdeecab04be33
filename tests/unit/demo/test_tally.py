"""Figures of a running line, and how they are shown."""

import io

import pytest
from rich.console import Console
from support.decisions import a_decision

from agents.join import Arrival
from agents.lab.simulator import LinePlan, LineTiming
from schemas import Disassembly, Modality, RemovalStep
from schemas.feature_record import Origin
from stream.demo.board import board
from stream.demo.line import Line, Sent
from stream.demo.screen import progress_line
from stream.demo.sender import crc32_partition
from stream.demo.tally import Tally, percentile
from stream.demo.words import bar, duration, removal
from stream.kafka.topics import Topics

START = 1_772_366_400_000
"""When the line starts, ms."""


def test_percentiles() -> None:
    assert percentile([], 50) is None
    assert percentile([5], 99) == 5
    values = list(range(1, 101))
    assert (percentile(values, 50), percentile(values, 99), percentile(values, 0)) == (50, 99, 1)


def test_units_in_flight_are_counted_by_completeness() -> None:
    line = Line(LinePlan(4, 1, START, 4.0, LineTiming(dropout=0.0, duplicates=1.0)), Topics())
    tally = Tally(line.total, 4)
    for item in line.items():
        assert isinstance(item, Sent)
        if item.observation.unit_id != "LT-000003" or item.observation.modality == "visual":
            tally.note_sent(item, item.send_at_ms / 1000)
    assert tally.in_flight == {6: 3, 1: 1}
    assert tally.decided == 0
    assert f"of {line.total} records sent, 0 of 4 units decided" in progress_line(tally)


@pytest.mark.parametrize("width", [60, 120])
def test_an_empty_board_can_be_shown(width: int) -> None:
    console = Console(file=io.StringIO(), width=width)
    console.print(board("title", Tally(0, 0)))
    assert "0 of 0" in console.file.getvalue()


def test_words() -> None:
    assert [duration(s) for s in (None, 0.0312, 2.04)] == ["-", "31 ms", "2.0 s"]
    assert [bar(s, 10) for s in (0, 0.01, 0.5, 2)] == ["", "█", "█████", "██████████"]


def test_what_to_take_out_in_words() -> None:
    seen = Arrival("LT-1", Modality.TEXT, "t", 0, "bench", Origin("units.text", 0, 0))
    decision = a_decision("LT-1", [seen])
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
    assert crc32_partition(b"123456789", 6) == 0xCBF43926 % 6
