"""Who forwards tells every other home partition how far it has come."""

import pytest

from schemas.errors import Malformed
from schemas.modality import Modality
from stream.kafka.topics import Topics
from stream.pipeline.progress import (
    INTERVAL,
    KEEPALIVE,
    PROGRESS_HEADER,
    Progress,
    ProgressTeller,
)
from stream.pipeline.record import Outgoing, Record, TopicPartition

TOPICS = Topics()
TP = TopicPartition("units.visual", 2)


def told(outgoing: list[Outgoing]) -> list[tuple[int, Progress]]:
    found = []
    for sent in outgoing:
        assert sent.partition is not None
        record = Record(sent.topic, sent.partition, 0, 0, sent.key, sent.value, sent.headers)
        progress = Progress.of(record, partitions=4, latest=1_000)
        assert progress is not None
        found.append((sent.partition, progress))
    return found


def test_an_observation_tells_nothing() -> None:
    assert Progress.of(Record(TOPICS.repartition, 0, 0, 0, b"u", b"{}", []), 4, 1_000) is None


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"[]",
        b'{"modality": "smell", "partition": 1, "reached": 5}',
        b'{"modality": "visual", "partition": 4, "reached": 5}',
        b'{"modality": "visual", "partition": -1, "reached": 5}',
        b'{"modality": "visual", "partition": 1, "reached": 1000}',
        b'{"modality": "visual", "partition": 1, "reached": -5}',
        b'{"modality": "visual", "partition": 1, "reached": 1e999}',
    ],
)
def test_progress_that_cannot_be_is_refused(value: bytes | None) -> None:
    record = Record(TOPICS.repartition, 0, 0, 0, None, value, [(PROGRESS_HEADER, b"1")])
    with pytest.raises(Malformed):
        Progress.of(record, partitions=4, latest=1_000)


def test_a_well_routed_topic_costs_nothing() -> None:
    teller = ProgressTeller(TOPICS, 4)
    teller.reached(TP, 100)
    assert teller.due(10.0, lagging=[TP]) == []


def test_every_other_home_is_told() -> None:
    teller = ProgressTeller(TOPICS, 4)
    teller.misrouted(TP, 100)
    teller.reached(TP, 250)
    teller.reached(TP, 200)
    expected = Progress(Modality.VISUAL, 2, 250)
    assert told(teller.due(10.0, lagging=[])) == [(0, expected), (1, expected), (3, expected)]


def test_again_only_when_it_moved_and_not_too_often() -> None:
    teller = ProgressTeller(TOPICS, 2)
    teller.misrouted(TP, 100)
    assert teller.due(10.0, lagging=[])
    assert teller.due(10.0 + INTERVAL, lagging=[]) == []
    teller.reached(TP, 101)
    assert teller.due(10.0 + INTERVAL / 2, lagging=[]) == []
    assert teller.due(10.0 + INTERVAL, lagging=[])


def test_while_records_wait_it_keeps_alive() -> None:
    teller = ProgressTeller(TOPICS, 2)
    teller.misrouted(TP, 100)
    assert teller.due(10.0, lagging=[TP])
    assert teller.due(10.0 + KEEPALIVE / 2, lagging=[TP]) == []
    assert teller.due(10.0 + KEEPALIVE, lagging=[TP])
    assert teller.due(10.0 + 3 * KEEPALIVE, lagging=[]) == []
