"""Publishes what the stages produce and tells when the broker has confirmed it."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaError,
    KafkaTimeoutError,
    LeaderNotAvailableError,
    MessageSizeTooLargeError,
    NotLeaderForPartitionError,
    UnknownError,
    UnknownTopicOrPartitionError,
)
from aiokafka.structs import RecordMetadata

from schemas import headers
from schemas.record import Outgoing
from stream.errors import RecordTooLarge, TopicRefused
from stream.kafka.connection import client_options, connecting, stop_client
from stream.kafka.outage import Outage
from stream.settings import Settings, ms

log = logging.getLogger(__name__)

ATTEMPT_TIMEOUT = 10.0
"""Seconds for which the client tries to deliver a record, before we look into the matter."""
RETRY_DELAY = 0.5
CHECK_AGAIN = 1.0
"""Seconds after which it is looked up again whether a topic exists that did not."""
BATCH_BYTES = 256 * 1024
"""Bytes of one batch on its way to a partition; while it is, the next one fills."""
MAX_REQUEST = 64 * 1024 * 1024
"""Client-side bound: an oversized record must still fit into the dead-letter topic."""


class Producer:
    """A producer that tries until every record is on the broker, of each partition in order.

    A record may be written more than once: decisions have ids that a repeat shares, feature
    records origins.

    Args:
        name: of the stage, for the log.
        side_topics: topics that may refuse a record for good without stopping the worker where the
            setting `side_topics` is `best-effort`.
        refused: told the topic of each record that was dropped for that.
    """

    def __init__(
        self,
        settings: Settings,
        name: str,
        side_topics: Collection[str] = (),
        refused: Callable[[str], None] = lambda topic: None,
    ) -> None:
        self._settings = settings
        self._droppable = frozenset(side_topics if settings.side_topics == "best-effort" else ())
        self._refused = refused
        self._told: set[str] = set()
        self._gone: dict[str, float] = {}
        """Topics that do not exist, and when that was looked up last."""
        self._producer: AIOKafkaProducer | None = None
        self._turn = asyncio.Lock()
        self._outage = Outage(f"Publishing by {name}")
        self._failing = 0
        """Calls of `deliver` that have failed and try again."""

    async def start(self) -> None:
        """Connects.

        Raises:
            BrokerUnreachable: no broker answers.
        """
        timeout = min(self._settings.request_timeout, ATTEMPT_TIMEOUT)
        self._producer = AIOKafkaProducer(
            **client_options(self._settings) | {"request_timeout_ms": ms(timeout)},
            acks="all",
            linger_ms=ms(self._settings.producer_linger),
            max_batch_size=BATCH_BYTES,
            max_request_size=MAX_REQUEST,
        )
        async with connecting(self._settings.bootstrap_servers):
            await self._producer.start()

    async def stop(self) -> None:
        """Disconnects; what is not confirmed by then may be lost."""
        if self._producer is not None:
            producer, self._producer = self._producer, None
            await stop_client(producer)

    async def deliver(self, records: Sequence[Outgoing], ours: Callable[[], bool]) -> bool:
        """Publishes all records, again and again until each is confirmed.

        Args:
            ours: whether the partitions that the records speak for are still assigned to us.

        Returns:
            False if they are not: then some records may not have been published.

        Raises:
            RecordTooLarge: a topic takes neither the record nor what can be left of it.
            TopicRefused: a topic refuses records for another reason, for good.
        """
        waiting, failing = list(records), False
        try:
            while ours() and self._producer is not None:
                deliveries = await self._enqueue(self._producer, waiting)
                outcomes = await asyncio.gather(*deliveries, return_exceptions=True)
                if not (waiting := await self._again(waiting, outcomes)):
                    self._failing -= failing
                    failing = False
                    if not self._failing:
                        self._outage.works()
                    return True
                self._failing += not failing
                failing = True
                await asyncio.sleep(RETRY_DELAY)
            return False
        finally:
            self._failing -= failing

    async def attempt(self, record: Outgoing) -> RecordMetadata | None:
        """Publishes one record and tries no second time; returns what the broker says of it, None
        where it does not confirm it at present.

        Raises:
            TopicRefused: it never will.
        """
        if self._producer is None:
            return None
        (delivery,) = await self._enqueue(self._producer, [record])
        try:
            confirmed: RecordMetadata = await delivery
        except KafkaError as error:
            log.debug("A record on %s was not confirmed: %r", record.topic, error)
            if self._producer is not None and not await self._may_pass(record, error):
                raise _refusal(record.topic, error) from error
            return None
        return confirmed

    async def _enqueue(
        self, producer: AIOKafkaProducer, records: Sequence[Outgoing]
    ) -> list[asyncio.Future[Any]]:
        """Hands the records to the client, in turn: it keeps the order of each partition.

        The client waits for a topic that it does not know, and everybody with it: once, not for
        each record.
        """
        loop = asyncio.get_running_loop()
        unknown = set(self._gone)
        deliveries: list[asyncio.Future[Any]] = []
        async with self._turn:
            for record in records:
                try:
                    if record.topic in unknown:
                        raise UnknownTopicOrPartitionError
                    delivery = await producer.send(
                        record.topic,
                        value=record.value,
                        key=record.key,
                        partition=record.partition,
                        timestamp_ms=record.timestamp,
                        headers=record.headers,
                    )
                except (KafkaError, AssertionError) as error:
                    if isinstance(error, AssertionError):
                        # What aiokafka says of a partition that has just been deleted.
                        error = UnknownTopicOrPartitionError(str(error))
                    if isinstance(error, UnknownTopicOrPartitionError):
                        unknown.add(record.topic)
                    delivery = loop.create_future()
                    delivery.set_exception(error)
                deliveries.append(delivery)
        return deliveries

    async def _again(
        self, records: Sequence[Outgoing], outcomes: Sequence[object]
    ) -> list[Outgoing]:
        """Returns what must be sent again: what failed, and of its partition what came after it."""
        again: list[Outgoing] = []
        behind: set[tuple[str, int | bytes | None]] = set()
        for record, outcome in zip(records, outcomes, strict=True):
            lane = (record.topic, record.key if record.partition is None else record.partition)
            if isinstance(outcome, BaseException):
                if (record_again := await self._judge(record, outcome)) is not None:
                    again.append(record_again)
                    behind.add(lane)
            elif lane in behind:
                again.append(record)
        return again

    async def _judge(self, record: Outgoing, error: BaseException) -> Outgoing | None:
        """Returns what is to be tried instead; None where the record is to be dropped."""
        if not isinstance(error, KafkaError):
            raise error
        if self._producer is None:
            return record  # we are stopping; `deliver` says so
        if isinstance(error, MessageSizeTooLargeError):
            if record.shrinkable:
                return _without_value(record)
            refusal: RecordTooLarge | TopicRefused = RecordTooLarge(
                f"a record of {len(record.value or b'')} bytes is larger than {record.topic} takes;"
                " raise its max.message.bytes and start the worker again"
            )
        elif await self._may_pass(record, error):
            self._outage.fails(error)
            return record
        else:
            refusal = _refusal(record.topic, error)
        if record.topic not in self._droppable:
            raise refusal from error
        self._refused(record.topic)
        if record.topic not in self._told:
            self._told.add(record.topic)
            log.error("%s; until then its records are dropped (side_topics)", refusal)
        return None

    async def _may_pass(self, record: Outgoing, error: KafkaError) -> bool:
        if isinstance(
            error,
            UnknownTopicOrPartitionError | NotLeaderForPartitionError | LeaderNotAvailableError,
        ):
            # The client has tried for `ATTEMPT_TIMEOUT`; is there such a topic at all?
            return await self._exists(record.topic, record.partition)
        return bool(error.retriable) or isinstance(error, KafkaTimeoutError)

    async def _exists(self, topic: str, partition: int | None) -> bool:
        """Whether the broker lists the topic with this partition (a broker that makes topics by
        itself may have made it anew with fewer), or says nothing at all."""
        now = time.monotonic()
        if self._producer is None or now < self._gone.get(topic, -CHECK_AGAIN) + CHECK_AGAIN:
            return self._producer is None
        self._gone.pop(topic, None)
        try:
            # All topics: asked for one by name, a broker may make it.
            metadata = await self._producer.client.fetch_all_metadata()
        except (KafkaError, OSError):
            return True
        partitions = metadata.partitions_for_topic(topic) or ()
        exists = bool(partitions) and (partition is None or partition in partitions)
        if not exists:
            self._gone[topic] = now
        return exists


def _refusal(topic: str, error: KafkaError) -> TopicRefused:
    reason = str(error) or type(error).__name__
    if isinstance(error, UnknownError):  # the client has no name for INVALID_RECORD
        reason = "an error without a name; a compacted topic takes no record without a key"
    return TopicRefused(
        f"{topic} refuses what is published to it ({reason});"
        " repair the topic or its access rules and start the worker again"
    )


def _without_value(record: Outgoing) -> Outgoing:
    """Returns what remains where a topic refuses the whole; headers say where the original is."""
    log.error(
        "A record of %d bytes is larger than %s takes; raise its max.message.bytes."
        " Its headers still tell where the original lies.",
        len(record.value or b""),
        record.topic,
    )
    more = [*record.headers, (headers.TRUNCATED, str(len(record.value or b"")).encode())]
    return replace(record, value=b"", headers=more, shrinkable=False)
