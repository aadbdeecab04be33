"""A shadow: a second decide stage on the line's features, which touches nothing of the line's.

It has a group, decisions, late and dead letters of its own (`stream/README.md`, "A shadow").
"""

import asyncio
import logging
import os
import signal
from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer

from agents.decide.agent import DecideAgent
from agents.metrics import Metrics
from schemas.record import TopicPartition
from stream.kafka.connection import client_options, connecting, partition_count, stop_client
from stream.kafka.stage import Flow
from stream.kafka.tail import first_since
from stream.kafka.topics import Topics, check_topics, create_topics
from stream.settings import Settings
from stream.stages import DecideStage, wall_ms

log = logging.getLogger(__name__)

LOOK_EVERY = 1.0
EXTRACTS_NOTHING = "a shadow decides and extracts nothing; add --stage decide"


class ShadowStage(DecideStage):
    """The decide stage of a shadow.

    Args:
        since: where nothing is committed yet, passages that open from here on are decided on all
            their evidence, ms since 1970 UTC; None: from now on.
        until: once all that opened before is decided for good, the worker ends.
    """

    def __init__(
        self,
        settings: Settings,
        flow: Flow,
        metrics: Metrics,
        since: int | None = None,
        until: int | None = None,
    ) -> None:
        super().__init__(settings, flow, metrics)
        self._since, self._until = since, until
        self._begins: Mapping[TopicPartition, int] = {}

    async def start(self) -> None:
        self._begins = await self._first_offsets()
        await super().start()
        if self._until is not None:
            self.host.spawn(self._end_at(self._until))

    async def assign(
        self, generation: int, committed: Mapping[TopicPartition, tuple[int, str] | None]
    ) -> Mapping[TopicPartition, int]:
        known = {
            tp: offset or (self._begins[tp], "") if tp in self._begins else offset
            for tp, offset in committed.items()
        }
        return await super().assign(generation, known)

    async def _first_offsets(self) -> dict[TopicPartition, int]:
        """Returns where to begin: early enough to know event time and who is on the line."""
        settings, topic = self.settings, self.topics.features
        lead = 2 * (settings.window_ms + settings.grace_ms)
        since = (wall_ms() if self._since is None else self._since) - lead
        consumer = AIOKafkaConsumer(**client_options(settings))
        try:
            async with connecting(settings.bootstrap_servers):
                await consumer.start()
                tps = [
                    TopicPartition(topic, number)
                    for number in range(await partition_count(consumer._client, topic))
                ]
                return {tp: await first_since(consumer, tp, since) for tp in tps}
        finally:
            await stop_client(consumer)

    async def _end_at(self, until: int) -> None:
        retired = until + self.settings.window_ms + self.settings.grace_ms
        while True:
            await asyncio.sleep(LOOK_EVERY)
            assert isinstance(self.agent, DecideAgent)
            reached = self.agent.reached
            if reached is not None and reached >= retired:
                log.info("All that opened before the shadow's end is decided")
                os.kill(os.getpid(), signal.SIGTERM)  # as an operator would end it
                return


async def create_shadow_topics(settings: Settings) -> None:
    """Makes the topics that a shadow writes to, where they are missing.

    Raises:
        BrokerUnreachable: no broker answers.
        TopicError: the broker refuses to make one.
    """
    topics = Topics.of(settings)
    counts = {state.name: state.partitions for state in (await check_topics(settings)).topics}
    if homes := counts[topics.features]:
        await create_topics(settings, dict.fromkeys(topics.decided, homes))
