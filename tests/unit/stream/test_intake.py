"""What becomes of a record: arrival, forward, progress or dead letter, and never an exception."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.join import Arrival, Origin
from schemas.codec import encode
from schemas.errors import RecordError, UnusablePayload
from schemas.limits import DEFAULT_LIMITS
from schemas.modality import Modality
from schemas.observation import Observation, Payload, Text
from stream.kafka.partitioner import home_partition
from stream.kafka.topics import Topics
from stream.pipeline import redirect
from stream.pipeline.intake import Dead, Intake, Misrouted
from stream.pipeline.progress import PROGRESS_HEADER, Progress
from stream.pipeline.record import Record

NOW = 1_700_000_000_000
SKEW = 300_000
TOPICS = Topics("line.")
UNIT = "LT-1"
HOME = home_partition(UNIT, 6)
AWAY = (HOME + 1) % 6
BROKEN = "a note that the encoder cannot take"


class Lengths:
    """Encodes a note as its length."""

    def encode(self, payloads: Sequence[Payload]) -> list[np.ndarray | RecordError]:
        return [
            UnusablePayload("broken")
            if payload.text == BROKEN
            else np.array([len(payload.text)], np.float32)
            for payload in payloads
        ]


INTAKE = Intake(TOPICS, 6, SKEW, DEFAULT_LIMITS, Lengths())
NOTE = Observation(UNIT, "o-1", NOW, "desk-1", Text("hinge worn", "en"))


def record(note: Observation = NOTE, partition: int = HOME, **changes: object) -> Record:
    made = Record(TOPICS.observation(Modality.TEXT), partition, 7, NOW, b"k", encode(note))
    return replace(made, **changes)


def examine(*records: Record, now: int = NOW) -> list[object]:
    return list(INTAKE.examine(records, now))


def test_at_home_it_arrives_encoded() -> None:
    (arrival,) = examine(record())
    assert isinstance(arrival, Arrival)
    assert (arrival.unit_id, arrival.modality, arrival.observation_id) == (UNIT, "text", "o-1")
    assert arrival.origin == Origin("line.units.text", HOME, 7)
    assert arrival.features == [10]


def test_elsewhere_it_is_misrouted_and_not_encoded() -> None:
    note = replace(NOTE, payload=Text(BROKEN, "en"))
    assert examine(record(note, AWAY)) == [Misrouted(HOME, Modality.TEXT, NOW)]


def test_forwarded_it_arrives_with_its_first_coordinates() -> None:
    sent = redirect.forward(TOPICS, record(partition=AWAY), HOME)
    home = Record(sent.topic, HOME, 0, NOW, sent.key, sent.value, sent.headers)
    (arrival,) = examine(home)
    assert isinstance(arrival, Arrival)
    assert arrival.origin == Origin("line.units.text", AWAY, 7)


def test_one_that_the_encoder_refuses_fails_alone() -> None:
    broken = replace(NOTE, observation_id="o-2", payload=Text(BROKEN, "en"))
    before, failed, after = examine(record(), record(broken), record())
    assert isinstance(before, Arrival)
    assert isinstance(after, Arrival)
    assert isinstance(failed, Dead)
    assert failed.stage == "encode"


@pytest.mark.parametrize(
    ("captured_at", "timestamp", "fine"),
    [
        (NOW + SKEW, NOW, True),
        (NOW + SKEW + 1, NOW, False),
        (NOW + SKEW + 1, NOW + 2 * SKEW, False),  # ahead of the wall clock
        (NOW - 10 * SKEW, NOW - 10 * SKEW, True),
        (NOW, NOW - SKEW - 1, False),  # ahead of the record's timestamp
        (NOW, -1, True),  # the record carries none
    ],
)
def test_clocks(captured_at: int, timestamp: int, fine: bool) -> None:
    note = replace(NOTE, captured_at=captured_at)
    (item,) = examine(record(note, timestamp=timestamp))
    if fine:
        assert isinstance(item, Arrival)
    else:
        assert isinstance(item, Dead)
        assert (item.stage, item.error.reason) == ("clock", "clock-skew")


@pytest.mark.parametrize(
    ("changes", "stage"),
    [
        ({"value": None}, "decode"),
        ({"value": b""}, "decode"),
        ({"value": b"\xff\x00"}, "decode"),
        ({"topic": "line.units.repartition"}, "route"),
        ({"topic": "line.units.repartition", "headers": [("regrade.origin", b"x")]}, "route"),
        ({"topic": "line.units.repartition", "headers": [("regrade.origin", b"a/1/2")]}, "route"),
        ({"topic": "line.units.repartition", "headers": [("regrade.origin", None)]}, "route"),
        ({"topic": "line.units.repartition", "headers": [(PROGRESS_HEADER, b"1")]}, "route"),
    ],
)
def test_unusable(changes: dict[str, object], stage: str) -> None:
    (dead,) = examine(record(**changes))
    assert isinstance(dead, Dead)
    assert dead.stage == stage


def test_forwarded_to_the_wrong_partition_is_not_forwarded_again() -> None:
    sent = redirect.forward(TOPICS, record(partition=AWAY), HOME)
    (dead,) = examine(Record(sent.topic, AWAY, 0, NOW, sent.key, sent.value, sent.headers))
    assert isinstance(dead, Dead)


def test_progress_is_told_in_band() -> None:
    told = Progress(Modality.TEXT, 4, NOW)
    sent = told.outgoing(TOPICS, HOME)
    assert examine(Record(sent.topic, HOME, 0, NOW, sent.key, sent.value, sent.headers)) == [told]


@given(st.binary(max_size=200), st.lists(st.tuples(st.text(max_size=20), st.binary(max_size=20))))
def test_no_bytes_raise(value: bytes, headers: list[tuple[str, bytes]]) -> None:
    for topic in TOPICS.inputs:
        assert len(examine(record(topic=topic, value=value, headers=headers))) == 1


def test_a_dead_letter_keeps_all_and_tells_why() -> None:
    received = record(value=b"\xff", headers=[("a", b"1"), ("a", None)])
    (dead,) = examine(received)
    sent = redirect.dead_letter(TOPICS, received, dead)
    assert (sent.topic, sent.key, sent.value) == ("line.units.dead-letter", b"k", b"\xff")
    assert list(sent.headers[:2]) == [("a", b"1"), ("a", None)]
    told = dict(sent.headers[2:])
    assert told["__connect.errors.topic"] == b"line.units.text"
    assert told["__connect.errors.partition"] == str(HOME).encode()
    assert told["__connect.errors.offset"] == b"7"
    assert told["__connect.errors.stage"] == b"decode"
    assert told["__connect.errors.exception.class.name"] == b"schemas.errors.UnknownEncoding"
    assert told["regrade.reason"] == b"unknown-encoding"


def test_key_and_value_null_are_told_in_a_header() -> None:
    received = record(key=None, value=None)
    (dead,) = examine(received)
    sent = redirect.dead_letter(TOPICS, received, dead)
    assert sent.value == b""
    assert dict(sent.headers)["regrade.null"] == b"key,value"
