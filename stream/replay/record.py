"""Records topics: from a place, or where a recording ends, until another place or for as long as
it is let.

It joins no consumer group and commits nothing: the files say where to go on.
"""

import logging
import time
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord

from schemas.record import Record
from schemas.record import TopicPartition as Partition
from schemas.times import parse_time
from stream.errors import MissingTopicError, RecordingError
from stream.kafka.connection import client_options, connecting, stop_client
from stream.kafka.tail import POLL_MS, at_end, first_since
from stream.kafka.topics import Topics
from stream.kafka.unreadable import fetch_over_unreadable
from stream.replay.recording import RecordingWriter
from stream.replay.recording.writer import MAX_FILE_BYTES
from stream.settings import Settings, ms

log = logging.getLogger(__name__)

MAX_RECORDS = 500
"""Of one poll."""
FLUSH_SECONDS = 1.0
"""How often what has come is put into the files; a crash loses no more, and a resume reads it."""
SETTLING_MS = 1000
"""How long after a time nothing more is expected from before it."""
PARTITION_SECONDS = 10.0
"""How often new partitions and topics are looked for."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in every partition."""

    kind: Literal["beginning", "end", "offset", "time"]
    value: int = 0
    """The offset, or the ms since 1970 UTC of the first record at that time or later."""

    @classmethod
    def parse(cls, name: str, text: str) -> Self:
        """Returns the place that `beginning`, `now`, `end`, an offset, or a time names.

        Args:
            name: what it is for, for messages.

        Raises:
            InvalidField: it is none of these.
        """
        if text == "beginning":
            return cls("beginning")
        if text in ("now", "end"):
            return cls("end")
        if text.isascii() and text.isdigit():
            return cls("offset", int(text))
        return cls("time", parse_time(name, text))


BEGINNING, END = Place("beginning"), Place("end")


class Recorder:
    """Records topics into a folder.

    Args:
        topics: their names; None: those of the line that there are, and those that come.
        start: where partitions begin of which the recording has nothing yet. Those that are added
            later begin at their beginning.
        until: where it ends: at the present end, before an offset, or before the first record of
            a time; None: it goes on.
        count: after how many records it ends.
        idle: after how many seconds without a record it ends.
        max_file_bytes, max_file_ms, resume: as those of `RecordingWriter`.
    """

    def __init__(
        self,
        settings: Settings,
        path: Path,
        *,
        topics: Collection[str] | None = None,
        start: Place = BEGINNING,
        until: Place | None = None,
        count: int | None = None,
        idle: float | None = None,
        max_file_bytes: int = MAX_FILE_BYTES,
        max_file_ms: int | None = None,
        resume: bool = False,
    ) -> None:
        self.records: Counter[str] = Counter()
        """How many came of each topic."""
        self.bytes: Counter[str] = Counter()
        """Of their keys and values."""
        self.partitions: dict[str, int] = {}
        """How many each topic has."""
        self._settings = settings
        self._chosen = topics
        self._start = start
        self._until = until
        self._count = count
        self._idle = idle
        self._writer = partial(
            RecordingWriter,
            path,
            max_file_bytes=max_file_bytes,
            max_file_ms=max_file_ms,
            resume=resume,
        )
        self._ends: dict[TopicPartition, int] = {}
        self._done: set[TopicPartition] = set()
        self._early: set[TopicPartition] = set()
        """Those read from an offset that may lie before the time at which they are to begin."""

    async def run(self) -> None:
        """Records until the end that was asked for, or is cancelled; all is in the files then.

        Raises:
            BrokerUnreachable: no broker answers at the start. Later it is waited for.
            MissingTopicError: a topic does not exist, or none of the line does.
            RecordingError: the folder cannot be written, or the broker does not let us read.
        """
        consumer = AIOKafkaConsumer(
            **client_options(self._settings),
            enable_auto_commit=False,
            auto_offset_reset="earliest",  # where retention overtakes us
            fetch_max_wait_ms=ms(self._settings.fetch_max_wait),
        )
        try:
            async with connecting(self._settings.bootstrap_servers):
                await consumer.start()
                self.partitions = await self._existing(consumer)
            with self._writer(partitions=self.partitions) as writer:
                await self._assign(consumer, writer, self.partitions, self._start)
                if self._until is not None and self._until.kind == "end":
                    self._ends = await consumer.end_offsets(list(consumer.assignment()))
                await self._record(consumer, writer)
        except KafkaError as error:
            raise RecordingError(
                f"the broker does not let us read: {type(error).__name__} {error};"
                " may this user read these topics?"
            ) from error
        finally:
            await stop_client(consumer)

    async def _existing(self, consumer: AIOKafkaConsumer) -> dict[str, int]:
        """Returns the partition count of every topic that is to be recorded and exists."""
        # The list of all topics: asked for one by name, a broker may make it.
        metadata = await consumer._client.fetch_all_metadata()
        names = Topics.of(self._settings).all if self._chosen is None else self._chosen
        counts = {name: len(metadata.partitions_for_topic(name) or ()) for name in names}
        missing = [name for name, count in counts.items() if not count]
        if missing and (self._chosen is not None or len(missing) == len(counts)):
            raise MissingTopicError(
                f"there is no topic {missing[0]} (or we may not see it); check topic_prefix,"
                " or make it with `regrade topics create`"
            )
        return {name: count for name, count in counts.items() if count}

    async def _assign(
        self,
        consumer: AIOKafkaConsumer,
        writer: RecordingWriter,
        counts: Mapping[str, int],
        start: Place,
    ) -> None:
        """Reads every partition from where the recording ends, or else from `start`."""
        writer.topics |= counts
        partitions = [TopicPartition(topic, n) for topic in counts for n in range(counts[topic])]
        oldest = await consumer.beginning_offsets(partitions)
        new = [tp for tp in partitions if Partition(*tp) not in writer.next_offsets]
        offsets = await _offsets(consumer, new, start)
        # Assigning forgets positions. Nothing is awaited from here on, so none is lost.
        consumer.assign(partitions)
        for tp, offset in offsets.items():
            writer.begin(Partition(*tp), offset)
            if start.kind == "time":
                self._early.add(tp)
        for tp in partitions:
            offset = writer.next_offsets[Partition(*tp)]
            if offset < oldest[tp]:
                gone = "%s[%d] has no offsets %d to %d any more: they are not in the recording"
                log.warning(gone, *tp, offset, oldest[tp] - 1)
            consumer.seek(tp, max(offset, oldest[tp]))
        self.partitions = dict(counts)

    async def _record(self, consumer: AIOKafkaConsumer, writer: RecordingWriter) -> None:
        flushed = looked = news = time.monotonic()
        while True:
            reading = consumer.assignment() - self._done
            if not reading or self._counted_out():
                return
            fetch = partial(consumer.getmany, *reading, timeout_ms=POLL_MS, max_records=MAX_RECORDS)
            for tp, records in (await fetch_over_unreadable(consumer, fetch)).items():
                news = time.monotonic()
                for record in records:
                    if self._is_beyond(record):
                        self._done.add(tp)
                    if tp not in self._done and not self._counted_out():
                        self._take(writer, record)
            now = time.monotonic()
            if now - flushed >= FLUSH_SECONDS:
                writer.flush()
                flushed = now
            if self._idle is not None and now - news >= self._idle:
                return
            if self._until is not None:
                self._done |= {tp for tp in reading if await self._has_ended(consumer, tp)}
            if now - looked >= PARTITION_SECONDS:
                looked = now
                await self._look_for_partitions(consumer, writer)

    def _take(self, writer: RecordingWriter, record: ConsumerRecord) -> None:
        if (tp := TopicPartition(record.topic, record.partition)) in self._early:
            if record.timestamp < self._start.value:
                return
            self._early.remove(tp)
        writer.write(
            Record(
                record.topic,
                record.partition,
                record.offset,
                -1 if record.timestamp is None else record.timestamp,
                record.key,
                record.value,
                tuple(record.headers),
                0 if record.timestamp_type is None else record.timestamp_type,
            )
        )
        self.records[record.topic] += 1
        self.bytes[record.topic] += len(record.key or b"") + len(record.value or b"")

    def _counted_out(self) -> bool:
        return self._count is not None and self.records.total() >= self._count

    def _is_beyond(self, record: ConsumerRecord) -> bool:
        until = self._until
        if until is None or until.kind not in ("offset", "time"):
            return False
        place: int = record.offset if until.kind == "offset" else record.timestamp
        return place >= until.value

    async def _has_ended(self, consumer: AIOKafkaConsumer, tp: TopicPartition) -> bool:
        assert self._until is not None
        if self._until.kind == "offset":
            return bool(await consumer.position(tp) >= self._until.value)
        if self._until.kind == "time":
            passed = time.time() * 1000 >= self._until.value + SETTLING_MS
            return passed and await at_end(consumer, tp)
        return await consumer.position(tp) >= self._ends.get(tp, 0) and await at_end(consumer, tp)

    async def _look_for_partitions(
        self, consumer: AIOKafkaConsumer, writer: RecordingWriter
    ) -> None:
        try:
            found = await self._existing(consumer)
            if any(count > self.partitions.get(topic, 0) for topic, count in found.items()):
                await self._assign(consumer, writer, self.partitions | found, BEGINNING)
        except (KafkaError, MissingTopicError) as error:
            log.info("Could not look for new partitions, trying again: %r", error)


async def _offsets(
    consumer: AIOKafkaConsumer, partitions: list[TopicPartition], place: Place
) -> dict[TopicPartition, int]:
    if not partitions or place.kind == "offset":
        return dict.fromkeys(partitions, place.value)
    if place.kind == "time":
        return {tp: await first_since(consumer, tp, place.value) for tp in partitions}
    ends = consumer.end_offsets if place.kind == "end" else consumer.beginning_offsets
    return {tp: int(offset) for tp, offset in (await ends(partitions)).items()}
