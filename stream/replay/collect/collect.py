"""Reads what the decisions name, from their topic's beginning to its present end.

It joins no consumer group, commits nothing and creates nothing.
"""

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from agents.join import Origin
from schemas.decision_reading import read_decision
from schemas.errors import RecordError
from schemas.modality import MODALITIES, Modality
from stream.errors import CollectError
from stream.kafka.connection import client_options, connecting, partition_count, stop_client
from stream.kafka.tail import POLL_MS, at_end, read_to_end
from stream.kafka.topics import Topics
from stream.kafka.unreadable import fetch_over_unreadable
from stream.replay.collect.passages import DecidedPassage, RecentPassages
from stream.replay.collect.units import Units
from stream.settings import Settings, ms

log = logging.getLogger(__name__)

MAX_RECORDS = 200
"""Decoded at a time: no more than a second's work, after which progress is told."""

Progress = Callable[[str, int, int | None], None]
"""Told what is being read, how many of them have been, and how many there are, if that is known."""
T = TypeVar("T")


def silent(what: str, done: int, total: int | None) -> None:
    """The `Progress` of nobody."""


@dataclass(frozen=True, slots=True)
class Collected:
    """What was found, and where it is now."""

    path: Path
    sha256: str
    """Of the file."""
    units: int
    modalities: dict[Modality, int]
    """Of how many units each arrived."""
    gone: int
    """Observations whose records are no longer there."""
    unreadable: int
    """Observations whose records do not decode (any more)."""
    emptied: int
    """Decided passages that were left out, since none of their observations was left."""
    skipped: int
    """Records on the topic of decisions that were none."""


async def collect(
    settings: Settings, out: Path, *, limit: int, progress: Progress = silent
) -> Collected:
    """Write the features of the passages that were decided last, as `Dataset.load` reads them.

    Of every passage the highest revision that is final or amended counts, and of it the newest
    observation of each modality. The units are in the order in which their passages opened.

    Args:
        out: the file, written whole or not at all.
        limit: how many passages at most. Each takes 28 KB of memory, and three times that while
            the file is written.

    Raises:
        BrokerUnreachable: no broker answers, or none any more.
        MissingTopicError: the topic of decisions does not exist.
        CollectError: there is nothing to collect, `out` cannot be written, or the broker does not
            let us read.
    """
    with _writing(out):  # rather before the work than after it
        out.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out.parent).close()
    consumer = AIOKafkaConsumer(
        **client_options(settings),
        enable_auto_commit=False,
        # Where retention overtakes us: go on with the oldest record that is left.
        auto_offset_reset="earliest",
        fetch_max_wait_ms=ms(settings.fetch_max_wait),
    )
    try:
        async with connecting(settings.bootstrap_servers):
            await consumer.start()
        passages, skipped = await _read_decisions(settings, consumer, limit, progress)
        units = Units(passages, settings.limits)
        await _read_observations(settings, consumer, units, progress)
    except KafkaError as error:
        raise CollectError(
            f"the broker does not let us read: {type(error).__name__} {error};"
            " may this user read the topics of decisions and observations?"
        ) from error
    finally:
        await stop_client(consumer)
    if units.empty == len(passages):
        raise CollectError(_nothing(settings, units))
    data = units.dataset()
    with _writing(out):
        sha256 = data.save(out)
    counts = dict(zip(MODALITIES, data.arrived.sum(dim=0).tolist(), strict=True))
    return Collected(
        out, sha256, len(data), counts, units.gone, units.unreadable, units.empty, skipped
    )


async def _read_decisions(
    settings: Settings, consumer: AIOKafkaConsumer, limit: int, progress: Progress
) -> tuple[list[DecidedPassage], int]:
    """The passages that count, and how many records were no decisions."""
    topic = Topics.of(settings).decisions
    async with connecting(settings.bootstrap_servers, settings.request_timeout):
        count = await partition_count(consumer._client, topic)
        partitions = [TopicPartition(topic, number) for number in range(count)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
    recent = RecentPassages(limit)
    read = skipped = 0
    async for record in _steadily(settings, read_to_end(consumer, partitions)):
        read += 1
        try:
            recent.add(read_decision(record.value))
        except RecordError as error:
            log.info("No decision: %s[%d]@%d: %s", *record[:3], error)
            skipped += 1
        if read % MAX_RECORDS == 0:
            progress("decisions", read, None)
    progress("decisions", read, read)
    return recent.newest(), skipped


async def _read_observations(
    settings: Settings, consumer: AIOKafkaConsumer, units: Units, progress: Progress
) -> None:
    """Offer the units every record between the first and the last that they name."""
    done = 0
    progress("observations", done, units.sought)
    async with connecting(settings.bootstrap_servers, settings.request_timeout):
        last = await _assign(consumer, units.origins())
        ends = await consumer.end_offsets(list(last)) if last else {}
    async for records in _steadily(settings, _records(consumer, last, ends)):
        # In a thread: the next records are fetched meanwhile.
        done += await asyncio.to_thread(units.take, records)
        progress("observations", done, units.sought)
    progress("observations", units.sought, units.sought)


async def _assign(
    consumer: AIOKafkaConsumer, origins: Collection[Origin]
) -> dict[TopicPartition, int]:
    """Put the consumer where the first record of each partition lies; gives the last offsets.

    Partitions that do not exist, or of which everything is gone, are left out.
    """
    # The list of all topics: asked for one by name, a broker may make it.
    metadata = await consumer._client.fetch_all_metadata()
    first: dict[TopicPartition, int] = {}
    last: dict[TopicPartition, int] = {}
    for topic, partition, offset in origins:
        if partition in (metadata.partitions_for_topic(topic) or ()):
            tp = TopicPartition(topic, partition)
            first[tp] = min(offset, first.get(tp, offset))
            last[tp] = max(offset, last.get(tp, offset))
    beginnings = await consumer.beginning_offsets(list(last)) if last else {}
    last = {tp: offset for tp, offset in last.items() if offset >= beginnings[tp]}
    consumer.assign(list(last))
    for tp in last:
        consumer.seek(tp, max(first[tp], beginnings[tp]))
    return last


async def _records(
    consumer: AIOKafkaConsumer,
    last: Mapping[TopicPartition, int],
    ends: Mapping[TopicPartition, int],
) -> AsyncIterator[list[Any]]:
    """Batches of records, of each partition up to its last offset, or to its end before that.

    Args:
        ends: the partitions' ends as the broker lists them, beyond which each is read at least:
            with a piece of a backlog the embedded one may tell that piece's end as the highwater
            mark.
    """
    unread = set(last)
    while unread:
        fetch = partial(consumer.getmany, *unread, timeout_ms=POLL_MS, max_records=MAX_RECORDS)
        batches = await fetch_over_unreadable(consumer, fetch)
        if records := [record for batch in batches.values() for record in batch]:
            yield records
        for tp in list(unread):
            position = await consumer.position(tp)
            if position > last[tp] or (position >= ends[tp] and await at_end(consumer, tp)):
                unread.remove(tp)


async def _steadily(settings: Settings, items: AsyncIterator[T]) -> AsyncIterator[T]:
    """The same items; `BrokerUnreachable` where none comes for as long as a request may take."""
    while True:
        async with connecting(settings.bootstrap_servers, settings.request_timeout):
            item = await anext(items, None)
        if item is None:
            return
        yield item


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CollectError(
            f"cannot write {path}: {error.strerror or error}; name another file"
        ) from error


def _nothing(settings: Settings, units: Units) -> str:
    topics = Topics.of(settings)
    if not units.sought:
        return (
            f"{topics.decisions} holds no final decision yet;"
            " run `regrade worker` while stations publish, then collect"
        )
    return (
        f"of the {units.sought} observations that {topics.decisions} names, {units.gone} are gone"
        f" (or we may not see their topics) and {units.unreadable} cannot be read; collect more"
        " often, or let those topics keep their records for longer (retention.ms)"
    )
