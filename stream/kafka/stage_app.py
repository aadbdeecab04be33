"""The Faust app that drives a stage: its agents, rebalances, commits, and its end.

    app = StageApp(settings, "extract", ["units.visual", "units.text"], ExtractStage)

where the last argument makes the stage out of its `Flow`, which is the app. Whatever fails inside
ends the process with exit code 1 (`stream.kafka.failure`): a worker that is alive is working.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

import faust
from faust.tables import TableManager
from faust.types import TP

from schemas.record import Batch, Reading, TopicPartition
from stream.kafka.assignor import StickyAssignor
from stream.kafka.connection import ssl_context
from stream.kafka.failure import Failure, end_within
from stream.kafka.quiet import quieten_client
from stream.kafka.stage import Flow, Stage, StageFailed
from stream.kafka.transport import Consumer, Transport
from stream.settings import Settings

log = logging.getLogger(__name__)

QUEUED_POLLS = 16
"""Polls that Faust holds per topic before it stops reading the topic."""
WATCH_INTERVAL = 1.0
STUCK_AFTER = 5
"""Looks in a row at which the flow may be found stopped though the stage is ready."""
END_GRACE = 5.0
"""Seconds beyond `shutdown_timeout` after which a worker that was told to end is ended hard."""


class _Tables(TableManager):  # type: ignore[misc]
    """Faust waits a second for tables to be declared; we have none."""

    async def on_start(self) -> None:
        await self._update_channels()
        await self.recovery.start()


class StageApp(faust.App):  # type: ignore[misc]
    """A consumer group's member that feeds one stage.

    Args:
        name: the stage's; the group is `settings.group` and this.
        inputs: the topics to read, one Faust agent each.
        make: makes the stage.
        assignor: divides the inputs among the group.
    """

    def __init__(
        self,
        settings: Settings,
        name: str,
        inputs: Sequence[str],
        make: Callable[[Flow], Stage],
        assignor: StickyAssignor | None = None,
    ) -> None:
        super().__init__(f"{settings.group}-{name}", **_faust_settings(settings, name))
        quieten_client()
        self.settings = settings
        self.failure = Failure()
        self.sticky_assignor = assignor or StickyAssignor()
        self.stage = make(self)
        self._stage_name = name
        self._opening: asyncio.Task[None] | None = None
        self._assigned_once = False
        self.on_partitions_assigned.connect(self._follow_assignment)
        self.on_partitions_revoked.connect(self._follow_revocation)
        self.on_before_shutdown.connect(self._follow_shutdown)
        for topic in inputs:
            self._add_agent(topic)

    def _new_transport(self) -> Transport:
        return Transport(self.conf.broker_consumer, self)

    def _add_agent(self, topic: str) -> None:
        channel = self.topic(topic, key_serializer="raw", value_serializer="raw")

        async def consume(stream: Any) -> None:
            async for event in stream.noack().events():
                batches: Sequence[Batch] = event.value
                # Faust may keep the event for a while; only the stage decides what it needs.
                event.value = event.message.value = None
                try:
                    await self.stage.take(batches)
                except (Exception, SystemExit) as error:
                    # Raised, it would make Faust start the agent again, without the batches.
                    self.fail(error)
                    return
                except asyncio.CancelledError:
                    if not self.should_stop:
                        self.fail(StageFailed(f"the agent of {topic} was cancelled"))
                    raise
            if not self.should_stop:
                self.fail(StageFailed(f"the agent of {topic} ended"))

        self.agent(channel, name=f"{self._stage_name}-{topic}")(consume)

    # -- what the stage may ask (Flow) ----------------------------------------------------

    def pause(self, tps: Collection[TopicPartition]) -> None:
        self._consumer_of_ours.pause(tps)

    def resume(self, tps: Collection[TopicPartition]) -> None:
        self._consumer_of_ours.resume(tps)

    def done(self, batch: Batch) -> None:
        self._consumer_of_ours.budget.give_back(batch)

    def readings(self) -> Mapping[TopicPartition, Reading]:
        return self._consumer_of_ours.readings()

    def partition_counts(self, topics: Collection[str]) -> Mapping[str, int]:
        return self._consumer_of_ours.partition_counts(topics)

    def may_publish(self) -> bool:
        return self._consumer_of_ours.may_publish()

    def rejoin(self) -> None:
        self._consumer_of_ours.rejoin()

    def fail(self, error: BaseException) -> None:
        if self.failure.report(error, f"The {self._stage_name} stage"):
            # From whatever thread: ends the whole process.
            self.loop.call_soon_threadsafe(self.beacon.root.data._crash, error)

    @property
    def _consumer_of_ours(self) -> Consumer:
        consumer: Consumer = self.consumer
        return consumer

    # -- life -----------------------------------------------------------------------------

    async def on_start(self) -> None:
        await super().on_start()
        try:
            await self.stage.start()
        except Exception as error:
            self.fail(error)
            self._crash(error)  # Faust then starts nothing more
            return
        self.add_future(self._watch())

    async def on_shutdown(self) -> None:
        await super().on_shutdown()
        await self.stage.stop()

    async def crash(self, reason: BaseException) -> None:
        self.fail(reason)

    def _crash(self, reason: BaseException) -> None:
        """Faust's way of telling all above and below that something has crashed."""
        super()._crash(reason)
        self.fail(reason)

    async def _watch(self) -> None:
        """Finds out what nobody else is told of."""
        stuck = 0
        while not self.should_stop:
            await asyncio.sleep(WATCH_INTERVAL)
            try:
                await self._consumer_of_ours.check()
            except Exception as error:
                if not self.should_stop:
                    self.fail(error)
                return
            if self._assigned_once and not self.rebalancing and not self.may_publish():
                self.rejoin()  # nothing is lost by asking again
            stuck = stuck + 1 if self._consumer_of_ours.is_stuck else 0
            if stuck > STUCK_AFTER and not self.should_stop:
                self.fail(StageFailed("Faust does not resume the flow of records"))

    # -- rebalances -----------------------------------------------------------------------

    async def _follow_assignment(self, app: Any, assigned: set[TP], **_: Any) -> None:
        """Starts the new generation beside Faust, which has its timeouts, and whose caller keeps
        the group's heartbeats waiting."""
        await self._stop_opening()
        self._assigned_once = True
        opening = self._open_generation(self.consumer_generation_id)
        self._opening = asyncio.create_task(self._or_fail(opening))

    async def _open_generation(self, generation: int) -> None:
        consumer = self._consumer_of_ours
        assignment, committed = await consumer.committed()
        consumer.resume(consumer.paused)
        positions = await self.stage.assign(generation, committed)
        await consumer.open(assignment, generation, positions)

    async def _follow_revocation(self, app: Any, revoked: set[TP], **_: Any) -> None:
        self._consumer_of_ours.shut()
        await self._stop_opening()
        if self._assigned_once:
            await self._finish(self.settings.rebalance_timeout / 3)

    async def _follow_shutdown(self, *_: Any, **__: Any) -> None:
        end_within(self.settings.shutdown_timeout + END_GRACE)
        if self._assigned_once:
            self._consumer_of_ours.shut()
            await self._stop_opening()
            if self.failure.error is None:
                await self._finish(self.settings.shutdown_timeout / 3)

    async def _finish(self, seconds: float) -> None:
        """What is in flight is finished and committed, while the partitions are still ours; each
        of the two has so many seconds."""
        for work in (self.stage.revoke, self._consumer_of_ours.commit):
            with contextlib.suppress(TimeoutError):
                await self._or_fail(asyncio.wait_for(work(), seconds))

    async def _stop_opening(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._opening
            self._opening = None

    async def _or_fail(self, work: Awaitable[Any]) -> None:
        try:
            await work
        except TimeoutError:
            raise
        except Exception as error:
            self.fail(error)


def _faust_settings(settings: Settings, name: str) -> dict[str, Any]:
    """Faust's own settings; most of what concerns the consumer is in `consumer_thread`."""
    return {
        "broker": [f"kafka://{s.strip()}" for s in settings.bootstrap_servers.split(",")],
        "broker_credentials": _credentials(settings),
        "broker_session_timeout": settings.session_timeout,
        "broker_heartbeat_interval": settings.heartbeat_interval,
        "broker_rebalance_timeout": settings.rebalance_timeout,
        "broker_commit_interval": settings.commit_interval,
        "broker_request_timeout": max(settings.request_timeout, settings.session_timeout),
        "topic_disable_leader": True,
        "topic_allow_declare": False,
        "store": "memory://",
        "datadir": _datadir(settings, name),
        "web_enabled": False,
        "autodiscover": False,
        "stream_buffer_maxsize": QUEUED_POLLS,
        "stream_recovery_delay": 0.0,
        "stream_wait_empty": False,  # with held acks, shutdown and rebalances would hang
        "TableManager": _Tables,
    }


def _datadir(settings: Settings, name: str) -> str:
    settings.datadir.mkdir(parents=True, exist_ok=True)  # Faust makes only the last folder
    return str(settings.datadir / f"faust-{name}")


def _credentials(settings: Settings) -> Any:
    context = ssl_context(settings) if settings.security_protocol.endswith("SSL") else None
    if settings.security_protocol.startswith("SASL"):
        assert settings.sasl_password is not None  # Settings checked
        return faust.SASLCredentials(
            username=settings.sasl_username,
            password=settings.sasl_password.get_secret_value(),
            mechanism=settings.sasl_mechanism,
            ssl_context=context,
        )
    return None if context is None else faust.SSLCredentials(context)
