"""Reads topics from their beginning and keeps on reading, bytes as they lie there."""

import asyncio
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.decision import Decision
from stream.kafka.connection import client_options, partition_count
from stream.settings import Settings


class TopicTail:
    """All records of a topic so far, in `records`; an async context.

    Args:
        settings: of the line.
        topic: its full name.
    """

    def __init__(self, settings: Settings, topic: str) -> None:
        self.records: list[Any] = []
        """aiokafka's ConsumerRecords."""
        self._topic = topic
        self._consumer = AIOKafkaConsumer(
            **client_options(settings),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=50,
            max_partition_fetch_bytes=8 * 1024 * 1024,
        )
        self._task: asyncio.Task[None] | None = None

    def decisions(self) -> list[Decision]:
        """The records as decisions."""
        return [Decision.model_validate_json(record.value) for record in self.records]

    def of_unit(self, unit_id: str) -> list[Decision]:
        """The unit's decisions, in the log's order."""
        return [decision for decision in self.decisions() if decision.unit_id == unit_id]

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        count = await partition_count(self._consumer._client, self._topic)
        tps = [TopicPartition(self._topic, number) for number in range(count)]
        self._consumer.assign(tps)
        await self._consumer.seek_to_beginning(*tps)
        self._task = asyncio.create_task(self._follow())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._consumer.stop()

    async def _follow(self) -> None:
        while True:
            for batch in (await self._consumer.getmany(timeout_ms=200)).values():
                self.records.extend(batch)
