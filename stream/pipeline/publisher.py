"""Publishes what the pipeline produces and waits until the broker has confirmed it."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from stream.errors import RecordTooLarge
from stream.kafka.connection import client_options, connecting, stop_client
from stream.pipeline.record import Outgoing
from stream.settings import Settings, ms

log = logging.getLogger(__name__)

RETRY_DELAY = 0.5
"""Seconds between attempts; the client has retried for `request_timeout` by then."""
MAX_REQUEST = 64 * 1024 * 1024
"""Client-side bound: an oversized record must still fit into the dead-letter topic."""
TRUNCATED_HEADER = "regrade.truncated"


class Publisher:
    """A producer whose `deliver` returns only when every record is on the broker."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect.

        Raises:
            BrokerUnreachable: no broker answers.
        """
        self._producer = AIOKafkaProducer(
            **client_options(self._settings),
            acks="all",
            linger_ms=ms(self._settings.producer_linger),
            max_request_size=MAX_REQUEST,
        )
        async with connecting(self._settings.bootstrap_servers):
            await self._producer.start()

    async def stop(self) -> None:
        if self._producer is not None:
            await stop_client(self._producer)
            self._producer = None

    async def deliver(self, records: Sequence[Outgoing], ours: Callable[[], bool]) -> bool:
        """Publish all records, again and again until each is confirmed.

        Repeats are harmless: decisions have ids that a repeat shares, observations too.

        Args:
            ours: whether the partitions that the records speak for are still assigned to us.

        Raises:
            RecordTooLarge: a topic takes neither the record nor what can be left of it.

        Returns:
            False if they are not: then some records may not have been published.
        """
        waiting = list(records)
        while waiting:
            if not ours():
                return False
            outcomes = await asyncio.gather(
                *[self._send(record) for record in waiting], return_exceptions=True
            )
            failed = []
            for record, outcome in zip(waiting, outcomes, strict=True):
                if isinstance(outcome, MessageSizeTooLargeError):
                    failed.append(_without_value(record))
                elif isinstance(outcome, KafkaError):
                    failed.append(record)
                elif isinstance(outcome, BaseException):
                    raise outcome
            if failed:
                log.warning("%d records are not confirmed yet; trying again", len(failed))
                await asyncio.sleep(RETRY_DELAY)
            waiting = failed
        return True

    async def _send(self, record: Outgoing) -> None:
        assert self._producer is not None, "start() comes first"
        delivery = await self._producer.send(
            record.topic,
            value=record.value,
            key=record.key,
            partition=record.partition,
            timestamp_ms=record.timestamp,
            headers=list(record.headers),
        )
        await delivery


def _without_value(record: Outgoing) -> Outgoing:
    """What remains where the topic refuses the whole: where the original lies, in the headers."""
    if not record.shrinkable:
        raise RecordTooLarge(
            f"a record of {len(record.value or b'')} bytes is larger than {record.topic} takes;"
            " raise its max.message.bytes and start the worker again"
        )
    log.error(
        "A record of %d bytes is larger than %s takes; raise its max.message.bytes."
        " Its headers still tell where the original lies.",
        len(record.value or b""),
        record.topic,
    )
    headers = [*record.headers, (TRUNCATED_HEADER, str(len(record.value or b"")).encode())]
    return replace(record, value=b"", headers=headers, shrinkable=False)
