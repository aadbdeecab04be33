"""What the topics remember of a home partition that another worker has owned.

`routing.decisions` is the join's memory across a take-over, and the marks before the committed
offset say how far the input partitions were (`stream/README.md`, "After a take-over").
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.decision import Decision
from schemas.errors import RecordError, Unavailable
from schemas.ids import is_ours
from schemas.read_decision import read_decision
from schemas.record import Record
from stream.errors import BrokerUnreachable
from stream.kafka.connection import client_options, connecting, stop_client
from stream.kafka.tail import read_to_end
from stream.kafka.topics import Topics
from stream.settings import Settings

log = logging.getLogger(__name__)

FIRST_RECORD_MS = 1_000
"""How long to wait for the record at the committed offset, which tells how old it is, ms."""


class TopicMemory:
    """Reads marks and decisions back."""

    def __init__(self, settings: Settings, wall_ms: Any) -> None:
        self._settings = settings
        self._topics = Topics.of(settings)
        self._wall_ms = wall_ms

    async def marks(self, home: int, first: int, before: int) -> AsyncIterator[Record]:
        """Reads the features topic from offset `first` until `before`.

        Raises:
            Unavailable: it cannot be read now.
        """
        tp = TopicPartition(self._topics.features, home)
        if first >= before:
            return
        async with self._reading(tp) as consumer:
            consumer.seek(tp, first)
            async for found in read_to_end(consumer, [tp]):
                if found.offset >= before:
                    return
                yield Record(
                    found.topic,
                    found.partition,
                    found.offset,
                    found.timestamp,
                    found.key,
                    found.value,
                )

    async def decisions(self, home: int, first: int) -> AsyncIterator[Decision]:
        """Reads the decisions that matter to records from offset `first` of the home on.

        A decision is published after its evidence, and a retired passage is remembered for two
        windows and grace; so what is older than the first record by more than that has no say.

        Raises:
            Unavailable: the log cannot be read now; nothing of the home may be decided then.
        """
        tp = TopicPartition(self._topics.decisions, home)
        horizon = 2 * self._settings.window_ms + self._settings.grace_ms
        since = await self._time_of(home, first) - horizon - self._settings.max_clock_skew_ms
        async with self._reading(tp) as consumer:
            consumer.seek(tp, await first_since(consumer, tp, max(since, 1)))
            async for found in read_to_end(consumer, [tp]):
                if decision := our_decision(found):
                    yield decision

    async def _time_of(self, home: int, offset: int) -> int:
        """Returns when the record at an offset of the home was written, ms; now, if none is."""
        tp = TopicPartition(self._topics.features, home)
        async with self._reading(tp) as consumer:
            consumer.seek(tp, offset)
            batches = await consumer.getmany(tp, timeout_ms=FIRST_RECORD_MS, max_records=1)
        times = [record.timestamp for records in batches.values() for record in records]
        wall_ms: int = self._wall_ms()
        return min([*times, wall_ms])

    @asynccontextmanager
    async def _reading(self, tp: TopicPartition) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(
            **client_options(self._settings),
            enable_auto_commit=False,
            auto_offset_reset="earliest",  # with `latest` a partition can be passed over whole
        )
        try:
            async with connecting(self._settings.bootstrap_servers):
                await consumer.start()
            consumer.assign([tp])
            yield consumer
        except (KafkaError, BrokerUnreachable) as error:
            raise Unavailable(f"{tp.topic}[{tp.partition}]: {error!r}") from error
        finally:
            await stop_client(consumer)


async def first_since(consumer: AIOKafkaConsumer, tp: TopicPartition, since: int) -> int:
    """Returns the first offset at or after a time; the beginning where the broker cannot tell."""
    found = (await consumer.offsets_for_times({tp: since})).get(tp)
    if found is not None:
        offset: int = found.offset
        return offset
    beginning: int = (await consumer.beginning_offsets([tp]))[tp]
    # Nothing is that young, or (the embedded broker) nobody knows: then it finds nothing at all.
    if (await consumer.offsets_for_times({tp: 1})).get(tp) is None:
        return beginning
    end: int = (await consumer.end_offsets([tp]))[tp]
    return end


def our_decision(found: Any) -> Decision | None:
    """Returns the decision in a record of the decisions topic; None, and a warning in the log, for
    what others wrote there."""
    try:
        decision = read_decision(found.value or b"")
    except RecordError as error:
        reason = str(error)
    else:
        if is_ours(decision):
            return decision
        reason = "its ids are not ours"
    log.warning(
        "%s[%d]@%d is no decision of ours and is passed over: %s",
        found.topic,
        found.partition,
        found.offset,
        reason,
    )
    return None
