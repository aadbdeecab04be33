"""The join's memory across restarts: what is read back of the decisions topic, and what is not."""

import json
import time

from aiokafka import AIOKafkaProducer
from support.decisions import a_decision

from agents.join import Arrival, Origin
from schemas.modality import Modality
from stream.connection import client_options
from stream.pipeline.decision_log import read_decisions
from stream.settings import Settings
from stream.topics import Topics


async def test_a_newer_worker_s_decisions_are_remembered(
    settings: Settings, topics: Topics
) -> None:
    """In a rolling upgrade partitions go to and fro between workers of two versions."""
    seen = Arrival("LT-1", Modality.TEXT, "o-1", 0, "bench", Origin("units.text", 2, 7))
    known = a_decision("LT-1", [seen])
    newer = known.model_dump(mode="json") | {"carbon_kg": 3.5}
    newer["routing"]["second_thoughts"] = []
    producer = AIOKafkaProducer(**client_options(settings))
    await producer.start()
    try:
        for value in (b"no decision", json.dumps(newer).encode()):
            await producer.send_and_wait(topics.decisions, value, b"LT-1", partition=2)
    finally:
        await producer.stop()
    now = time.time_ns() // 1_000_000
    assert [decision async for decision in read_decisions(settings, [2], now)] == [known]
    assert [decision async for decision in read_decisions(settings, [1, 3], now)] == []
