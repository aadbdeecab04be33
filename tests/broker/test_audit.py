"""What the audit reads: each late record and dead letter once, however often a crash wrote it."""

from dataclasses import replace

import numpy as np
import pytest
from aiokafka import AIOKafkaProducer
from support.decisions import a_decision

from agents.dead_letter import dead_letter
from agents.join import Arrival
from schemas.errors import Malformed, OtherFeatures
from schemas.feature_record import FeatureRecord, Origin, encode_feature_record
from schemas.modality import Modality
from schemas.record import Outgoing, Record
from stream.kafka.connection import client_options
from stream.kafka.topics import Topics
from stream.replay.audit import Damaged, ObservationKey, read_topics
from stream.settings import Settings

TEXT = Modality.TEXT


async def test_what_lies_on_the_topics(
    settings: Settings, topics: Topics, caplog: pytest.LogCaptureFixture
) -> None:
    source = topics.observation(TEXT)
    decision = a_decision("LT-1", [Arrival("LT-1", TEXT, "o-1", 0, "bench", Origin(source, 0, 7))])
    stranger = decision.model_copy(update={"passage_id": "WO-4711"})
    feature = FeatureRecord(
        "LT-2",
        TEXT,
        "o-2",
        1_772_366_400_000,
        "bench",
        Origin(source, 2, 0),
        "0f",
        np.ones(3, "f2"),
    )
    again = replace(feature, origin=Origin(source, 2, 1))
    values = [encode_feature_record(each) for each in (feature, feature, again)]

    def buried(value: bytes | None, offset: int, topic: str = source) -> Outgoing:
        record = Record(topic, 0, offset, -1, None, value)
        error = OtherFeatures("of another version") if topic == topics.features else Malformed("no")
        return dead_letter(topics.dead_letter, record, error, "decode")

    written = [
        *(Outgoing(topics.decisions, b"LT-1", d.model_dump_json().encode(), partition=0)
          for d in (decision, stranger, decision)),
        *(Outgoing(topics.late, b"LT-2", value) for value in values),
        *(buried(b"{", offset) for offset in (0, 0, 1)),
        buried(None, 2),
        # A crash of the extract stage made two feature records of one raw record.
        *(buried(value, offset, topics.features) for offset, value in enumerate(values)),
    ]  # fmt: skip
    async with AIOKafkaProducer(**client_options(settings)) as producer:
        for record in written:
            await producer.send_and_wait(
                record.topic,
                record.value,
                record.key,
                partition=0,
                headers=list(record.headers),
            )
    found = await read_topics(settings)
    assert found.decisions == [decision, decision]
    assert "its ids are not ours" in caplog.text
    assert found.late == [ObservationKey("LT-2", TEXT, "o-2")] * 2
    assert sorted(found.dead_letters, key=repr) == sorted(
        [
            *[Damaged(source, None, b"{")] * 2,
            Damaged(source, None, None),
            *[Damaged(topics.features, None, value) for value in (values[1], values[2])],
        ],
        key=repr,
    )
