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
from collections.abc import Iterable
from functools import partial
from typing import Any, Literal, Self

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from aiokafka.structs import ConsumerRecord

from schemas.decision import Decision
from schemas.decision_reading import read_decision
from schemas.errors import Malformed, RecordError
from schemas.headers import UNREADABLE
from stream.clients.client import Client
from stream.errors import ReaderClosed, UndecodableDecision
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


class DecisionReader(Client):
    """An async iterator over decisions.

    Of each passage it yields a revision only when it is higher than any it has yielded: repeats
    (a producer's retry, a replay) and overtaken revisions are left out.

    A decision of another version, or of somebody else, is yielded however little of it this
    version knows (`schemas.decision_reading` says what stands in its gaps). Only a record without
    what names a decision is logged as an error, counted in `skipped` and passed over: a line
    should not stand still for it. With `undecodable="raise"` it ends the iteration with
    `UndecodableDecision` instead, and stays uncommitted.

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
        super().__init__(bootstrap, topic_prefix, settings)
        self.topic = Topics.of(self.settings).decisions
        self.skipped = 0
        """Records that were no decisions."""
        self._group = group
        self._follow = follow
        self._undecodable = undecodable
        self._consumer: AIOKafkaConsumer | None = None
        self._fetched: deque[ConsumerRecord] = deque()
        self._in_hand: ConsumerRecord | None = None
        """The decision that the caller has."""
        self._handled: dict[TopicPartition, int] = {}
        """Next offset of each partition with something to commit."""
        self._joined = False
        """The group has given it its partitions, of which there may be none."""
        self._newest: OrderedDict[str, int] = OrderedDict()
        self._committed_at = time.monotonic()

    async def start(self) -> None:
        """Connects and, with a group, joins it.

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
            metadata_max_age_ms=ms(PARTITION_SECONDS),
            session_timeout_ms=ms(self.settings.session_timeout),
            heartbeat_interval_ms=ms(self.settings.heartbeat_interval),
            rebalance_timeout_ms=ms(self.settings.rebalance_timeout),
        )
        try:
            async with connecting(self.settings.bootstrap_servers):
                await consumer.start()
                await partition_count(consumer._client, self.topic)
            # Without a group these are all partitions, and those that are added.
            consumer.subscribe([self.topic], listener=_Rebalances(self))
        except BaseException:
            await consumer.stop()
            raise
        self._consumer = consumer

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Decision:
        """Returns the next decision; the last one counts as handled.

        Raises:
            UndecodableDecision: with `undecodable="raise"`.
            ReaderClosed: outside of `async with`.
        """
        consumer = self._running()
        self._finish()
        if time.monotonic() - self._committed_at >= self.settings.commit_interval:
            await self._commit(consumer)
        fetch = partial(consumer.getmany, timeout_ms=ms(POLL_SECONDS), max_records=MAX_RECORDS)
        while True:
            while self._fetched:
                record = self._fetched.popleft()
                decision = self._decode(record)
                self._in_hand = record
                if decision is not None and self._is_news(decision):
                    return decision
                self._finish()
            await self._commit(consumer)
            if not self._follow and await self._at_the_end(consumer):
                raise StopAsyncIteration
            for records in (await fetch_over_unreadable(consumer, fetch)).values():
                self._fetched.extend(records)

    async def commit(self) -> None:
        """Says that the decision in hand has been handled, and commits now.

        For a caller that stops without asking for another; otherwise commits come by themselves.
        """
        consumer = self._running()
        self._finish()
        await self._commit(consumer)

    async def close(self) -> None:
        """Commits what was handled, which the decision in hand is not, and leaves the group."""
        consumer, self._consumer = self._consumer, None
        if consumer is None:
            return
        self._in_hand = None
        try:
            async with asyncio.timeout(self.settings.shutdown_timeout):
                await self._commit(consumer)
        except TimeoutError:
            log.warning("The broker did not confirm the last commit: decisions may come again")
        finally:
            await stop_client(consumer)

    def _running(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise ReaderClosed("the reader is not open; use it within `async with`")
        return self._consumer

    def _finish(self) -> None:
        """The record in hand has had its effect."""
        if (record := self._in_hand) is not None:
            self._in_hand = None
            self._handled[_partition(record)] = record.offset + 1

    def _decode(self, record: ConsumerRecord) -> Decision | None:
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

    async def _commit(self, consumer: AIOKafkaConsumer) -> None:
        """Commits what was handled; what cannot be committed is read again, by whoever owns it."""
        self._committed_at = time.monotonic()
        handled = dict(self._handled)
        if self._group is None or not handled:
            return
        try:
            await consumer.commit(handled)
        except (CommitFailedError, IllegalStateError) as error:
            # The group has given the partitions to somebody else.
            log.info("Handled decisions were not committed, they may come again: %s", error)
        except KafkaError as error:
            log.warning("Handled decisions were not committed, trying again: %r", error)
            return
        for partition, offset in handled.items():
            if self._handled.get(partition) == offset:
                del self._handled[partition]

    async def _at_the_end(self, consumer: AIOKafkaConsumer) -> bool:
        partitions = consumer.assignment()
        if not partitions and not self._joined:
            return False
        return all([await at_end(consumer, partition) for partition in partitions])


class _Rebalances(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is not typed
    """Lets the group's other members go on behind what its reader has handled."""

    def __init__(self, reader: DecisionReader) -> None:
        self._reader = reader

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        reader, gone = self._reader, set(revoked)
        reader._fetched = deque(r for r in reader._fetched if _partition(r) not in gone)
        # The one in hand goes with them: its next owner hands it out again.
        if reader._in_hand is not None and _partition(reader._in_hand) in gone:
            reader._in_hand = None
        if reader._consumer is not None:
            await reader._commit(reader._consumer)
        for partition in gone:
            reader._handled.pop(partition, None)

    async def on_partitions_assigned(self, assigned: Any) -> None:
        self._reader._joined = True


def _partition(record: ConsumerRecord) -> TopicPartition:
    return TopicPartition(record.topic, record.partition)
