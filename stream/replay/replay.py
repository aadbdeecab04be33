"""Replays a recording into a cluster: its topics merged in time order, at any rate."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from schemas import headers
from schemas.record import Record
from stream.errors import DeliveryError, RecordingError, TopicError
from stream.kafka.connection import client_options, connecting, has_idempotence, stop_client
from stream.kafka.topics import Topics, create_topics
from stream.replay.contents import shifted, unit_of
from stream.replay.faults import Faults, Timed
from stream.replay.player import Player
from stream.replay.recorded_line import settings_of
from stream.replay.recording import Damage, Manifest, Recording
from stream.settings import Settings

log = logging.getLogger(__name__)

BATCH_BYTES = 512 * 1024
MAX_REQUEST = 64 * 1024 * 1024
IN_FLIGHT = 2_000
"""Records that may be on their way to the broker."""
NO_FAULTS = Faults()


@dataclass(frozen=True, slots=True)
class Plan:
    """What is replayed, and as what.

    Args:
        topics: names or patterns (`*`) of recorded topics; none: what stations sent.
        units: only of these units, names or patterns; none: of all.
        remap: recorded topics that go by another name, in place of the prefix of the settings.
        start: only records with this timestamp or a later one, ms since 1970 UTC.
        end: only records with an earlier timestamp.
        shift_to_now: as if the first record were of now, in what the records say, too.
        rekey: to the partition of the key, in place of the recorded one.
        replay_of: with a header that tells where each record had lain.
        loop: again and again.
        i_know: also into topics that hold records already.
        faults: what is to go wrong.
    """

    topics: Collection[str] = ()
    units: Collection[str] = ()
    remap: Mapping[str, str] = field(default_factory=dict)
    start: int | None = None
    end: int | None = None
    shift_to_now: bool = False
    rekey: bool = False
    replay_of: bool = False
    loop: bool = False
    i_know: bool = False
    faults: Faults = NO_FAULTS


@dataclass(slots=True)
class Sent:
    """What the broker has confirmed."""

    records: Counter[str] = field(default_factory=Counter)
    """By the topic that they were sent to."""
    damage: tuple[Damage, ...] = ()
    """What could not be read."""


class Replay:
    """A recording on its way to the cluster of the settings.

    Raises:
        RecordingError: there is no such recording, or no such topic in it.
    """

    def __init__(self, settings: Settings, path: Path, plan: Plan, player: Player) -> None:
        self.recording = Recording(path)
        self._recorded = Topics.of(settings_of(self.recording, settings))
        self.sent = Sent()
        self._settings = settings
        self._plan = plan
        self._player = player
        self._free = asyncio.Semaphore(IN_FLIGHT)
        self._error: BaseException | None = None
        names = self.recording.topics
        unknown = set(plan.remap) - set(names)
        patterns = plan.topics or self._recorded.observations
        self.chosen = [name for name in names if any(fnmatchcase(name, p) for p in patterns)]
        if unknown or not self.chosen:
            wanted = ", ".join(sorted(unknown) or patterns)
            raise RecordingError(f"{path} has no {wanted}; it has {', '.join(sorted(names))}")

    def target(self, topic: str) -> str:
        """Returns the name that a recorded topic goes by."""
        if topic in self._plan.remap:
            return self._plan.remap[topic]
        if topic.startswith(self._recorded.prefix):
            return self._settings.topic_prefix + topic.removeprefix(self._recorded.prefix)
        return topic

    async def run(self) -> None:
        """Makes the topics that are missing, and sends what is chosen.

        Raises:
            BrokerUnreachable: no broker answers.
            TopicError: a topic cannot be made, has too few partitions, or holds records already.
            DeliveryError: the broker did not confirm a record.
        """
        await self._prepare()
        producer = AIOKafkaProducer(
            **client_options(self._settings),
            acks="all",
            enable_idempotence=await has_idempotence(self._settings),
            max_batch_size=BATCH_BYTES,
            max_request_size=MAX_REQUEST,
        )
        try:
            async with connecting(self._settings.bootstrap_servers):
                await producer.start()
            await self._play(producer)
            for _ in range(IN_FLIGHT):  # until all have been confirmed
                await self._free.acquire()
            self._check()
        finally:
            await stop_client(producer)
            self.sent.damage = self.recording.damage

    # -- topics -----------------------------------------------------------------------------------

    async def _prepare(self) -> None:
        counts = {self.target(name): count for name, count in self.recording.topics.items()}
        made = await create_topics(self._settings, counts)
        log.info("Made %s", ", ".join(made) or "no topics")
        consumer = AIOKafkaConsumer(**client_options(self._settings))
        try:
            async with connecting(self._settings.bootstrap_servers):
                await consumer.start()
                metadata = await consumer._client.fetch_all_metadata()
                for name in self.chosen:
                    topic = self.target(name)
                    numbers = metadata.partitions_for_topic(topic) or set()
                    if len(numbers) < counts[topic] and not self._plan.rekey:
                        raise TopicError(
                            f"{topic} has {len(numbers)} partitions, the recording {counts[topic]};"
                            " add some, or let keys choose (--rekey)"
                        )
                    ends = await consumer.end_offsets([TopicPartition(topic, n) for n in numbers])
                    if any(ends.values()) and not self._plan.i_know:
                        raise TopicError(
                            f"{topic} has been written to by others; replay into topics of their"
                            " own (--topic-prefix replay-1.), or say --i-know"
                        )
        finally:
            await stop_client(consumer)

    # -- records ----------------------------------------------------------------------------------

    async def _play(self, producer: AIOKafkaProducer) -> None:
        player, start, shift = self._player, self._plan.start, self._shift()
        while not player.ended:
            for due, record in self._timed(start):
                if not await player.wait(due):
                    break
                await self._send(producer, record, shift)
            if player.seek_to is not None:
                start = player.seek_to
            elif self._plan.loop and not player.ended:
                start, shift = self._plan.start, self._shift()
            else:
                return
            player.restart()

    def _timed(self, start: int | None) -> Iterator[Timed]:
        """Yields the records to send, and when, in the recording's time."""
        plan = self._plan
        records = self.recording.records(self.chosen, start=start, end=plan.end)
        return plan.faults.apply(record for record in records if self._is_wanted(record))

    def _is_wanted(self, record: Record) -> bool:
        if not self._plan.units:
            return True
        unit = unit_of(record, self._recorded)
        return unit is None or any(fnmatchcase(unit, pattern) for pattern in self._plan.units)

    def _shift(self) -> int:
        """Returns by how much later all happens, ms: what is sent faster than it was recorded ends
        now, since stations whose clocks run ahead are not believed; anything else begins now."""
        if not self._plan.shift_to_now:
            return 0
        rate, plan = self._player.rate, self._plan
        spans = [
            entry.span
            for entry in Manifest.of(self.recording.path).files.values()
            if entry.topic in self.chosen
        ]
        if rate is None or rate > 1:
            reached = max((s.latest for s in spans if s.latest is not None), default=0)
            anchor = reached if plan.end is None else min(plan.end, reached)
        else:
            begun = min((s.earliest for s in spans if s.earliest is not None), default=0)
            anchor = begun if plan.start is None else max(plan.start, begun)
        return time.time_ns() // 1_000_000 - anchor

    async def _send(self, producer: AIOKafkaProducer, record: Record, shift: int) -> None:
        self._check()
        await self._free.acquire()
        place = f"{record.topic}/{record.partition}/{record.offset}"
        if shift:
            record = shifted(record, self._recorded, shift)
        topic, key, value = self.target(record.topic), record.key, record.value
        partition = None if self._plan.rekey else record.partition
        timestamp = record.timestamp if record.timestamp >= 0 else None
        more = [(headers.REPLAY_OF, place.encode())] if self._plan.replay_of else []
        told = [*record.headers, *more]
        try:
            if key is None and value is None:
                # The library sends that only as a batch of its own.
                batch = producer.create_batch()
                batch.append(key=key, value=value, timestamp=timestamp, headers=told)
                delivery = await producer.send_batch(batch, topic, partition=partition or 0)
            else:
                delivery = await producer.send(topic, value, key, partition, timestamp, told)
        except KafkaError as error:
            raise _failure(topic, error) from error
        delivery.add_done_callback(partial(self._delivered, topic))

    def _delivered(self, topic: str, delivery: asyncio.Future[Any]) -> None:
        self._free.release()
        if delivery.cancelled():
            return
        if (error := delivery.exception()) is None:
            self.sent.records[topic] += 1
        elif self._error is None:
            self._error = _failure(topic, error)

    def _check(self) -> None:
        if self._error is not None:
            raise self._error


def _failure(topic: str, error: BaseException) -> DeliveryError:
    return DeliveryError(
        f"the broker did not confirm a record on {topic}: {error!r}; look at the topic"
        " (`regrade topics check`), then replay the rest with --start"
    )
