"""`Station`: how a camera, a spectrometer or a tester publishes what it saw.

    async with Station("kafka:9092", source="cam-2") as station:
        receipt = await station.publish("LT-000017", Visual(image, "image/jpeg"))

An observation is published when the broker has confirmed it (`acks=all`). Where a confirmation
fails to come, publish again with the same `observation_id`: the join counts it once.
"""

import asyncio
import time
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)

from schemas.codec import encode
from schemas.errors import InvalidField
from schemas.observation import Observation, Payload
from stream.clients.client import Client
from stream.errors import DeliveryError, RecordTooLarge, StationClosed
from stream.kafka.connection import (
    client_options,
    connecting,
    has_idempotence,
    partition_count,
    stop_client,
)
from stream.kafka.topics import Topics
from stream.settings import Settings, ms

BATCH_BYTES = 512 * 1024
"""aiokafka's 16 KiB would make a batch of each photograph and of every ten notes."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The broker's word that an observation is written, and where."""

    observation_id: str
    topic: str
    partition: int
    offset: int


class Station(Client):
    """A client for one station.

    Args:
        bootstrap: `host:port` of the cluster; None: as in the settings.
        source: the station's name, in every observation.
        topic_prefix: None: as in the settings.
        encoding: of the values; workers accept both.
        buffer: how many observations may be on their way; `publish` waits while it is full.
        settings: for everything else; None: from the environment and the file.
    """

    def __init__(
        self,
        bootstrap: str | None = None,
        *,
        source: str,
        topic_prefix: str | None = None,
        encoding: Literal["avro", "json"] = "avro",
        buffer: int = 100,
        settings: Settings | None = None,
    ) -> None:
        super().__init__(bootstrap, topic_prefix, settings)
        self.source = source
        # Of all modalities: a station may send what this plant's workers do not expect.
        self.topics = Topics(self.settings.topic_prefix)
        self._encoding = encoding
        self._slots = asyncio.Semaphore(max(buffer, 1))
        self._deliveries: set[asyncio.Task[Receipt]] = set()
        self._checked: set[str] = set()
        self._producer: AIOKafkaProducer | None = None
        self._closed = False

    async def start(self) -> None:
        """Connects.

        Raises:
            BrokerUnreachable: no broker answers.
        """
        if self._closed or self._producer is not None:
            raise StationClosed(f"station {self.source} was started before; make another one")
        producer = AIOKafkaProducer(
            **client_options(self.settings),
            acks="all",
            enable_idempotence=await has_idempotence(self.settings),
            linger_ms=ms(self.settings.producer_linger),
            max_batch_size=BATCH_BYTES,
            max_request_size=self.topics.message_bytes(
                self.topics.observations[0], self.settings.limits
            ),
        )
        try:
            async with connecting(self.settings.bootstrap_servers):
                await producer.start()
        except BaseException:
            await producer.stop()
            raise
        self._producer = producer

    async def publish(
        self,
        unit_id: str,
        payload: Payload,
        captured_at: int | datetime | None = None,
        observation_id: str | None = None,
    ) -> Receipt:
        """Publishes one reading, and returns when the broker has it.

        Args:
            unit_id: which unit was seen.
            payload: what was seen; its type decides the topic.
            captured_at: when, in ms since 1970 UTC or with a time zone; None: now.
            observation_id: None: a new one. Keep it when publishing the same reading again.

        Raises:
            InvalidField: an identifier or the time breaks the contract.
            RecordTooLarge: the observation is larger than a record may be.
            MissingTopicError: there is no topic for this modality.
            DeliveryError: the broker did not confirm in time.
            StationClosed: outside of `async with`.
        """
        return await self.send(self.observation(unit_id, payload, captured_at, observation_id))

    async def send(self, observation: Observation) -> Receipt:
        """As `publish`, an observation that has its own source and id."""
        value = self._encode(observation)
        await self._slots.acquire()
        delivery = asyncio.create_task(self._confirmed(observation, value))
        self._deliveries.add(delivery)
        delivery.add_done_callback(self._ended)
        # Shielded: who stops waiting does not undo a record that may be written already.
        return await asyncio.shield(delivery)

    def observation(
        self,
        unit_id: str,
        payload: Payload,
        captured_at: int | datetime | None = None,
        observation_id: str | None = None,
    ) -> Observation:
        """Returns what `publish` sends for these arguments."""
        if captured_at is None:
            captured_at = time.time_ns() // 1_000_000
        elif isinstance(captured_at, datetime):
            if captured_at.tzinfo is None:
                raise InvalidField(
                    "captured_at has no time zone; use datetime.now(UTC), or ms since 1970"
                )
            captured_at = round(captured_at.timestamp() * 1000)
        return Observation(
            unit_id=unit_id,
            observation_id=str(uuid.uuid4()) if observation_id is None else observation_id,
            captured_at=captured_at,
            source=self.source,
            payload=payload,
        )

    async def close(self) -> None:
        """Delivers what is on its way, for at most `shutdown_timeout`, and disconnects."""
        self._closed = True
        if (producer := self._producer) is None:
            return
        if self._deliveries:
            _, undelivered = await asyncio.wait(
                self._deliveries, timeout=self.settings.shutdown_timeout
            )
            for delivery in undelivered:
                delivery.cancel()
            await asyncio.gather(*undelivered, return_exceptions=True)
        self._producer = None
        await stop_client(producer)

    def _running(self) -> AIOKafkaProducer:
        if self._producer is None:
            state = "is closed" if self._closed else "was not started"
            raise StationClosed(f"station {self.source} {state}; use it within `async with`")
        return self._producer

    def _encode(self, observation: Observation) -> bytes:
        self._running()
        value = encode(observation, self._encoding)
        limit = self.settings.limits.record_bytes
        if len(value) > limit:
            raise RecordTooLarge(
                f"the {observation.modality.value} observation of {observation.unit_id} takes"
                f" {len(value)} bytes, over the {limit} of limits.record_bytes; send less"
            )
        return value

    def _ended(self, delivery: asyncio.Task[Receipt]) -> None:
        self._deliveries.discard(delivery)
        self._slots.release()
        if not delivery.cancelled():
            # Marks it as looked at: who was cancelled while waiting for it cannot look any more.
            delivery.exception()

    async def _confirmed(self, observation: Observation, value: bytes) -> Receipt:
        producer = self._running()  # it may have been closed while we waited for a slot
        topic = self.topics.observation(observation.modality)
        what = f"{observation.modality.value} observation of {observation.unit_id}"
        try:
            # An idempotent producer would retry for ever, hence a limit of our own.
            async with asyncio.timeout(self.settings.request_timeout):
                if topic not in self._checked:
                    await partition_count(producer.client, topic)
                    self._checked.add(topic)
                # Its partitioner is Java's, so that the unit's observations lie together.
                written = await producer.send_and_wait(topic, value, observation.unit_id.encode())
        except asyncio.CancelledError:
            if not self._closed:
                raise
            raise DeliveryError(
                f"{what}: the station was closed before the broker confirmed it"
            ) from None
        except (MessageSizeTooLargeError, RecordListTooLargeError) as error:
            raise RecordTooLarge(
                f"{what}: too large for {topic}; raise its max.message.bytes"
                " (`regrade topics check` says to what)"
            ) from error
        except TopicAuthorizationFailedError as error:
            raise DeliveryError(
                f"{what}: we may not write to {topic}; ask for access to it"
            ) from error
        except (KafkaError, TimeoutError) as error:
            cause = repr(error) if isinstance(error, KafkaError) else "no confirmation in time"
            raise DeliveryError(
                f"{what}: {cause}; it may or may not be written, so publish it again with the same"
                " observation_id"
            ) from error
        return Receipt(observation.observation_id, topic, written.partition, written.offset)
