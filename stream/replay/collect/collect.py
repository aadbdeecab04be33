"""Reads decisions and then the features that they name, each topic to its present end.

It joins no consumer group, commits nothing and creates nothing.
"""

import logging
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.errors import RecordError
from schemas.feature_record import decode_feature_record
from schemas.mark import is_mark
from schemas.modality import MODALITIES, Modality
from stream.errors import CollectError
from stream.kafka.connection import client_options, connecting, partition_count, stop_client
from stream.kafka.memory import our_decision
from stream.kafka.tail import first_since, read_to_end
from stream.kafka.topics import Topics
from stream.replay.collect.passages import RecentPassages
from stream.replay.collect.units import Units
from stream.settings import Settings, ms

log = logging.getLogger(__name__)

PROGRESS_EVERY = 200
"""Records after which progress is told."""
BEGINNING = 1
"""A time before every record, ms."""

Progress = Callable[[str, int, int], None]
"""Told which topic is being read, how many records have been, and about how many there are."""
T = TypeVar("T")


def silent(topic: str, done: int, total: int) -> None:
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
    """Observations whose features are no longer there."""
    unreadable: int
    """Observations whose features were made by another version than this one."""
    emptied: int
    """Decided passages that were left out, since none of their observations was left."""
    skipped: int
    """Records on the topic of decisions that were none of ours."""


async def collect(
    settings: Settings, out: Path, *, limit: int, progress: Progress = silent
) -> Collected:
    """Writes the features of the passages that were decided last, as `Dataset.load` reads them.

    Of every passage the highest revision that is final or amended counts, and of it the newest
    observation of each modality. The units are in the order in which their passages opened.

    Args:
        out: the file, written whole or not at all.
        limit: how many passages at most. Each takes 28 KB of memory, and three times that while
            the file is written.

    Raises:
        BrokerUnreachable: no broker answers, or none any more.
        MissingTopicError: the topic of decisions or of features does not exist.
        CollectError: there is nothing to collect, `out` cannot be written, or the broker does not
            let us read.
    """
    with _writing(out):  # rather before the work than after it
        out.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out.parent).close()
    topics, recent, skipped = Topics.of(settings), RecentPassages(limit), 0
    try:
        async for record in _records(settings, topics.decisions, BEGINNING, progress):
            if (decision := our_decision(record)) is None:
                skipped += 1
            else:
                recent.add(decision)
        units = Units(passages := recent.newest())
        if passages:
            # No earlier feature record can be of these.
            opened = round(passages[0].opened_at.timestamp() * 1000) - settings.max_clock_skew_ms
            async for record in _records(settings, topics.features, opened, progress):
                _take(units, record)
    except KafkaError as error:
        raise CollectError(
            f"the broker does not let us read: {type(error).__name__} {error};"
            " may this user read the topics of decisions and features?"
        ) from error
    if units.empty == len(passages):
        raise CollectError(_nothing(topics, units))
    data = units.dataset()
    with _writing(out):
        sha256 = data.save(out)
    counts = dict(zip(MODALITIES, data.arrived.sum(dim=0).tolist(), strict=True))
    return Collected(
        out, sha256, len(data), counts, units.gone, units.unreadable, units.empty, skipped
    )


def _take(units: Units, record: Any) -> None:
    try:
        if record.value and not is_mark(record.value):
            units.take(decode_feature_record(record.value))
    except RecordError as error:
        log.info("No feature record: %s[%d]@%d: %s", *record[:3], error)


async def _records(
    settings: Settings, topic: str, since: int, progress: Progress
) -> AsyncIterator[Any]:
    """Reads a topic from a time, ms since 1970 UTC, to its present end."""
    consumer = AIOKafkaConsumer(
        **client_options(settings),
        enable_auto_commit=False,
        # Where retention overtakes us: go on with the oldest record that is left.
        auto_offset_reset="earliest",
        fetch_max_wait_ms=ms(settings.fetch_max_wait),
    )
    try:
        async with connecting(settings.bootstrap_servers, settings.request_timeout):
            await consumer.start()
            count = await partition_count(consumer._client, topic)
            partitions = [TopicPartition(topic, number) for number in range(count)]
            consumer.assign(partitions)
            first = {tp: await first_since(consumer, tp, since) for tp in partitions}
            for tp, offset in first.items():
                consumer.seek(tp, offset)
            ends = await consumer.end_offsets(partitions)
        total, read = sum(ends[tp] - offset for tp, offset in first.items()), 0
        async for record in _steadily(settings, read_to_end(consumer, partitions)):
            yield record
            read += 1
            if read % PROGRESS_EVERY == 0:
                progress(topic, read, max(total, read))
        progress(topic, read, read)
    finally:
        await stop_client(consumer)


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


def _nothing(topics: Topics, units: Units) -> str:
    if not units.sought:
        return (
            f"{topics.decisions} holds no final decision yet;"
            " run `regrade worker` while stations publish, then collect"
        )
    return (
        f"of the {units.sought} observations that {topics.decisions} names, {units.gone} are gone"
        f" from {topics.features} and {units.unreadable} were made by another version; collect more"
        " often, or let that topic keep its records for longer (retention.ms)"
    )
