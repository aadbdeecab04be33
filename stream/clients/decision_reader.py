"""`DecisionReader`: how an MES reads decisions, each revision once, in order.

    async with DecisionReader("kafka:9092", group="mes") as reader:
        async for decision in reader:
            route(decision)

Asking for the next decision says that the last one has been handled; only then may its offset be
committed. A consumer that dies in between gets that decision again: at least once, never less.
"""

import asyncio
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Literal, Protocol, Self

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from schemas.decision import Decision
from schemas.decision_reading import read_decision
from schemas.errors import Malformed, RecordError
from schemas.headers import UNREADABLE
from stream.errors import MissingTopicError, ReaderClosed, UndecodableDecision
from stream.kafka.connection import client_options, connecting, partition_count, stop_client
from stream.kafka.tail import at_end
from stream.kafka.topics import Topics
from stream.kafka.unreadable import fetch_over_unreadable
from stream.settings import Settings, ms

log = logging.getLogger(__name__)

REMEMBERED_PASSAGES = 100_000
"""Of which a repeated or outdated revision is recognised: days of a line, some 20 MB."""
POLL_SECONDS = 0.5
MAX_RECORDS = 500
PARTITION_SECONDS = 10.0
"""How often to look whether the topic has got more partitions."""


class Record(Protocol):
    """What is read of aiokafka's ConsumerRecord."""

    topic: str
    partition: int
    offset: int
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class DecisionReader:
    """An async iterator over decisions.

    Of each passage it yields a revision only when it is higher than any it has yielded: repeats
    (a producer's retry, a replay) and overtaken revisions are left out.

    A decision of another version, or of somebody else, is yielded however little of it this
    version knows (`schemas.decision_reading` says what stands in its gaps). Only a record without
    what names a decision is logged as an error, counted in `skipped` and passed over: a line
    should not stand still for it. With `undecodable="raise"` it ends the iteration with
    `UndecodableDecision` instead, and stays uncommitted. Partitions that are added to the topic
    are read as well, from their beginning.

    Args:
        bootstrap: `host:port` of the cluster; None: as in the settings.
        group: the consumer group, whose members share the partitions; None: read all from the
            beginning and commit nothing.
        follow: wait for more; False: stop at the end of the topic.
        topic_prefix: None: as in the settings.
        undecodable: see above.
        settings: for everything else; None: from the environment and the file.
    """

    def __init__(
        self,
        bootstrap: str | None = None,
        *,
        group: str | None = "mes",
        follow: bool = True,
        topic_prefix: str | None = None,
        undecodable: Literal["skip", "raise"] = "skip",
        settings: Settings | None = None,
    ) -> None:
        given = {"bootstrap_servers": bootstrap, "topic_prefix": topic_prefix}
        given = {name: value for name, value in given.items() if value is not None}
        self.settings = settings.model_copy(update=given) if settings else Settings.load(**given)
        self.topic = Topics.of(self.settings).decisions
        self.skipped = 0
        """Records that were no decisions."""
        self._group = group
        self._follow = follow
        self._undecodable = undecodable
        self._consumer: AIOKafkaConsumer | None = None
        self._fetched: deque[Record] = deque()
        self._yielded: Record | None = None
        """The decision that the caller has in hand."""
        self._handled: dict[TopicPartition, int] = {}
        """Next offset of each partition with something to commit."""
        self._joined = False
        """Has been given its partitions, of which there may be none."""
        self._newest: OrderedDict[str, int] = OrderedDict()
        self._committed_at = time.monotonic()
        self._looked_at = time.monotonic()
        """When the partitions were last counted, without a group."""

    async def start(self) -> None:
        """Connect and, with a group, join it.

        Raises:
            BrokerUnreachable: no broker answers.
            MissingTopicError: the topic of decisions does not exist.
        """
        if self._consumer is not None:
            raise ReaderClosed("the reader was started before; make another one")
        consumer = AIOKafkaConsumer(
            **client_options(self.settings),
            group_id=self._group,
            enable_auto_commit=False,
            # With "latest", what was decided before the first commit would never be read.
            auto_offset_reset="earliest",
            fetch_max_wait_ms=ms(self.settings.fetch_max_wait),
            metadata_max_age_ms=ms(PARTITION_SECONDS),  # on which a group finds new partitions
            **_group_options(self.settings) if self._group is not None else {},
        )
        try:
            async with connecting(self.settings.bootstrap_servers):
                await consumer.start()
                partitions = await partition_count(consumer._client, self.topic)
            all_partitions = [TopicPartition(self.topic, n) for n in range(partitions)]
            if self._group is None:
                consumer.assign(all_partitions)
                await consumer.seek_to_beginning(*all_partitions)
            else:
                consumer.subscribe([self.topic], listener=_Rebalances(self))
        except BaseException:
            await consumer.stop()
            raise
        self._consumer = consumer

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Decision:
        """The next decision; the last one counts as handled.

        Raises:
            UndecodableDecision: with `undecodable="raise"`.
            ReaderClosed: outside of `async with`.
        """
        consumer = self._running()
        self._finish()
        if time.monotonic() - self._committed_at >= self.settings.commit_interval:
            await self._commit()
        while True:
            while self._fetched:
                record = self._fetched.popleft()
                decision = self._decode(record)
                self._yielded = record
                if decision is not None and self._is_news(decision):
                    return decision
                self._finish()
            await self._commit()
            if not self._follow and await self._at_the_end(consumer):
                raise StopAsyncIteration
            await self._look_for_partitions(consumer)
            fetch = partial(consumer.getmany, timeout_ms=ms(POLL_SECONDS), max_records=MAX_RECORDS)
            batches = await fetch_over_unreadable(consumer, fetch)
            for records in batches.values():
                self._fetched.extend(records)

    async def commit(self) -> None:
        """Say that the decision in hand has been handled, and commit now.

        For a caller that stops without asking for another; otherwise commits come by themselves.
        """
        self._running()
        self._finish()
        await self._commit()

    async def close(self) -> None:
        """Commit what was handled, leave the group, disconnect. The one in hand is not handled."""
        consumer, self._consumer = self._consumer, None
        if consumer is None:
            return
        self._yielded = None
        try:
            async with asyncio.timeout(self.settings.shutdown_timeout):
                await self._commit(consumer)
        except TimeoutError:
            log.warning("The broker did not confirm the last commit: decisions may come again")
        finally:
            await stop_client(consumer)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def _running(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise ReaderClosed("the reader is not open; use it within `async with`")
        return self._consumer

    def _finish(self) -> None:
        """The record in hand has had its effect."""
        if (record := self._yielded) is not None:
            self._yielded = None
            self._handled[TopicPartition(record.topic, record.partition)] = record.offset + 1

    def _decode(self, record: Record) -> Decision | None:
        try:
            if unreadable := dict(record.headers).get(UNREADABLE):
                raise Malformed(unreadable.decode())
            return read_decision(record.value)
        except RecordError as error:
            where = f"{record.topic}[{record.partition}] at offset {record.offset}"
            message = f"no decision at {where}: {error}"
            if self._undecodable == "raise":
                raise UndecodableDecision(
                    f"{message}; who else writes to this topic? To pass over such records,"
                    " read with undecodable='skip'"
                ) from error
        self.skipped += 1
        log.error("Passed over %s", message)
        return None

    def _is_news(self, decision: Decision) -> bool:
        """Whether its revision is the highest yet of its passage.

        That leaves out the same decision_id as well, since it names passage and revision.
        """
        newest = self._newest.pop(decision.passage_id, 0)
        self._newest[decision.passage_id] = max(newest, decision.revision)
        if len(self._newest) > REMEMBERED_PASSAGES:
            self._newest.popitem(last=False)
        return decision.revision > newest

    async def _look_for_partitions(self, consumer: AIOKafkaConsumer) -> None:
        """Without a group, go on to read partitions that have been added since the last look."""
        if self._group is not None or time.monotonic() - self._looked_at < PARTITION_SECONDS:
            return
        self._looked_at = time.monotonic()
        try:
            count = await partition_count(consumer._client, self.topic)
            known = consumer.assignment()
            new = {TopicPartition(self.topic, n) for n in range(count)} - known
            if not new:
                return
            positions = {tp: await consumer.position(tp) for tp in known}
            positions |= await consumer.beginning_offsets(list(new))
        except (KafkaError, MissingTopicError) as error:
            log.info("Could not look for new partitions of %s, trying again: %r", self.topic, error)
            return
        # Assigning forgets positions. Nothing is awaited in here, so a cancelled wait loses none.
        consumer.assign(list(positions))
        for partition, position in positions.items():
            consumer.seek(partition, position)

    async def _commit(self, consumer: AIOKafkaConsumer | None = None) -> None:
        """Commit what was handled; what cannot be committed is read again, by whoever owns it."""
        self._committed_at = time.monotonic()
        handled = dict(self._handled)
        if self._group is None or not handled:
            return
        try:
            await (consumer or self._running()).commit(handled)
        except (CommitFailedError, IllegalStateError) as error:
            # The group has given the partitions to somebody else.
            log.info("Handled decisions were not committed, they may come again: %s", error)
        except KafkaError as error:
            log.warning("Handled decisions were not committed, trying again: %r", error)
            return
        for partition, offset in handled.items():
            if self._handled.get(partition) == offset:
                del self._handled[partition]

    async def _revoke(self, partitions: Iterable[TopicPartition]) -> None:
        """Before the partitions go: whoever gets them starts after what was handled."""
        revoked = set(partitions)
        self._fetched = deque(r for r in self._fetched if _of(r) not in revoked)
        # The one in hand goes with them: its next owner hands it out again.
        if self._yielded is not None and _of(self._yielded) in revoked:
            self._yielded = None
        if self._consumer is not None:
            await self._commit()
        for partition in revoked:
            self._handled.pop(partition, None)

    async def _at_the_end(self, consumer: AIOKafkaConsumer) -> bool:
        if self._group is not None and not self._joined:
            return False
        for partition in consumer.assignment():
            if not await at_end(consumer, partition):
                return False
        return True


class _Rebalances(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is not typed
    def __init__(self, reader: DecisionReader) -> None:
        self._reader = reader

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        await self._reader._revoke(revoked)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._reader._joined = True


def _group_options(settings: Settings) -> dict[str, Any]:
    return {
        "session_timeout_ms": ms(settings.session_timeout),
        "heartbeat_interval_ms": ms(settings.heartbeat_interval),
        "rebalance_timeout_ms": ms(settings.rebalance_timeout),
    }


def _of(record: Record) -> TopicPartition:
    return TopicPartition(record.topic, record.partition)
