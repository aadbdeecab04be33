"""Follows what comes out of a line while it runs, as an MES and an operator would."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from aiokafka import AIOKafkaConsumer, TopicPartition

from stream.clients.decision_reader import DecisionReader
from stream.demo.tally import Tally
from stream.kafka.connection import client_options, connecting, partition_count, stop_client
from stream.kafka.topics import Topics
from stream.settings import Settings, ms


@contextlib.asynccontextmanager
async def watching(settings: Settings, tally: Tally) -> AsyncIterator[None]:
    """Keep the tally up to date within the block."""
    async with (
        DecisionReader(group=None, settings=settings) as reader,
        _side_topics(settings) as consumer,
    ):
        tasks = [
            asyncio.create_task(_follow_decisions(reader, tally)),
            asyncio.create_task(_follow_sides(consumer, Topics.of(settings), tally)),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _follow_decisions(reader: DecisionReader, tally: Tally) -> None:
    async for decision in reader:
        tally.note_decision(decision, time.time())


@contextlib.asynccontextmanager
async def _side_topics(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of everything else that a worker publishes; it belongs to no group."""
    topics = Topics.of(settings)
    consumer = AIOKafkaConsumer(
        **client_options(settings),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=ms(settings.fetch_max_wait),
    )
    try:
        async with connecting(settings.bootstrap_servers):
            await consumer.start()
            partitions = [
                TopicPartition(name, number)
                for name in (topics.late, topics.dead_letter)
                for number in range(await partition_count(consumer._client, name))
            ]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        yield consumer
    finally:
        await stop_client(consumer)


async def _follow_sides(consumer: AIOKafkaConsumer, topics: Topics, tally: Tally) -> None:
    async for record in consumer:
        if record.topic == topics.late:
            tally.late += 1
        else:
            tally.dead_letters += 1
