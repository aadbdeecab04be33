"""Sends what stations send, and what nobody should: librdkafka refuses less than aiokafka."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, Self

from confluent_kafka import Producer

from agents.lab.simulator import simulate_unit
from schemas.codec import encode
from schemas.modality import MODALITIES, Modality
from schemas.observation import Observation
from stream.kafka.partitioner import home_partition
from stream.kafka.topics import Topics
from stream.settings import Settings

Headers = list[tuple[str, bytes | None]]
ANY = -1
"""The partition that librdkafka's default partitioner gives: CRC32 of the key."""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def observe(
    unit: str, modalities: Sequence[Modality] = MODALITIES, captured_at: int | None = None
) -> Iterator[Observation]:
    """Observations of the unit, taken when they are asked for unless `captured_at` says when.

    The same arguments give the same payloads; the ids tell unit and modality.
    """
    simulated = simulate_unit(3, sum(unit.encode()))
    for modality in modalities:
        at = now_ms() if captured_at is None else captured_at
        yield Observation(
            unit, f"{unit}-{modality}", at, f"{modality}-1", simulated.payload(modality)
        )


class Sender:
    """A producer for one line; a context, since librdkafka goes on trying to connect."""

    def __init__(self, settings: Settings, compression: str = "none") -> None:
        self.settings = settings
        self.topics = Topics.of(settings)
        self._failures: list[Any] = []
        self._producer = Producer(
            {
                "bootstrap.servers": settings.bootstrap_servers,
                "message.max.bytes": 8 * 1024 * 1024,
                "linger.ms": 5,
                "compression.type": compression,
            }
        )

    def home(self, unit_id: str) -> int:
        return home_partition(unit_id, self.settings.partitions)

    def observation(
        self,
        observation: Observation,
        *,
        partition: int | None = None,
        headers: Headers | None = None,
        encoding: Literal["avro", "json"] = "avro",
    ) -> bytes:
        """Send it with its key, to its home partition where no other is given.

        Returns:
            The record's value.
        """
        value = encode(observation, encoding)
        self.record(
            self.topics.observation(observation.modality),
            value,
            observation.unit_id.encode(),
            self.home(observation.unit_id) if partition is None else partition,
            headers,
        )
        return value

    def record(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        partition: int = ANY,
        headers: Headers | None = None,
        *,
        timestamp: int | None = None,
        delivered: Callable[[int, int], None] = lambda partition, offset: None,
    ) -> None:
        """Send any bytes; `delivered` is told where they lie."""

        def report(error: Any, message: Any) -> None:
            if error is None:
                delivered(message.partition(), message.offset())
            else:
                self._failures.append(error)

        self._producer.produce(
            topic, value, key, partition, report, timestamp=timestamp or 0, headers=headers or []
        )
        self._producer.poll(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        del self._producer  # which closes it

    async def flush(self) -> None:
        """Wait until all is on the broker."""
        assert await asyncio.to_thread(self._producer.flush, 60) == 0
        assert self._failures == []
