"""The two stages as `StageApp` drives them: agents with all that they need, connected, loaded."""

import asyncio
import contextlib
import gc
import logging
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Collection, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from agents.decide.agent import DecideAgent
from agents.extract.agent import ExtractAgent, ExtractSettings
from agents.extract.kinds import warm_up
from agents.metrics import Metrics
from schemas.record import Batch, Reading, TopicPartition
from stream.configure import clock_config, decide_steps, extract_steps, load_decider
from stream.kafka.memory import TopicMemory
from stream.kafka.producer import Producer
from stream.kafka.stage import Flow, Offsets, StageFailed
from stream.kafka.topics import Topics, check_topics
from stream.settings import Settings

log = logging.getLogger(__name__)


def wall_ms() -> int:
    """Returns the wall clock, ms since 1970 UTC."""
    return time.time_ns() // 1_000_000


class FlowHost:
    """The `agents.host.Host` of an agent that a `Flow` feeds."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._tasks: set[asyncio.Task[None]] = set()

    def wall_ms(self) -> int:
        return wall_ms()

    def readings(self) -> Mapping[TopicPartition, Reading]:
        return self._flow.readings()

    def partition_counts(self, topics: Collection[str]) -> Mapping[str, int]:
        return self._flow.partition_counts(topics)

    def done(self, batch: Batch) -> None:
        self._flow.done(batch)

    def may_publish(self) -> bool:
        return self._flow.may_publish()

    def rejoin(self) -> None:
        self._flow.rejoin()

    def pause(self, tps: Collection[TopicPartition]) -> None:
        self._flow.pause(tps)

    def resume(self, tps: Collection[TopicPartition]) -> None:
        self._flow.resume(tps)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(_stoppable(work))
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            if not task.cancelling():  # nobody asked for it: something that it awaits was
                self._flow.fail(StageFailed("a background task was cancelled"))
        elif (error := task.exception()) is not None:
            self._flow.fail(error)

    async def stop(self) -> None:
        """Ends all tasks."""
        for task in self._tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks, return_exceptions=True)


async def _stoppable(work: Coroutine[Any, Any, None]) -> None:
    """A library that calls `sys.exit` in a task would stop the event loop amid its work."""
    try:
        await work
    except SystemExit as error:
        raise StageFailed(f"something called sys.exit({error.code})") from error


class _Stage(ABC):
    """What both stages share: a producer, threads, and an agent once it has started."""

    def __init__(
        self, name: str, settings: Settings, flow: Flow, metrics: Metrics, threads: int
    ) -> None:
        self.settings = settings
        self.topics = Topics.of(settings)
        self.metrics = metrics
        self.host = FlowHost(flow)
        self.publisher = Producer(
            settings,
            name,
            (self.topics.late, self.topics.dead_letter),
            lambda topic: metrics.refused.labels(topic).inc(),
        )
        self.executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self.agent: ExtractAgent | DecideAgent | None = None

    @abstractmethod
    async def make_agent(self, homes: int) -> ExtractAgent | DecideAgent:
        """Returns the agent, with all that it needs loaded; H is `homes`."""

    async def start(self) -> None:
        """Checks the topics, connects and loads."""
        report = await check_topics(self.settings)
        for warning in report.warnings:
            log.warning("%s", warning)
        await self.publisher.start()
        self.agent = await self.make_agent(report.homes)
        await self.agent.start()
        # What has been loaded stays. To look through it for garbage again and again took a third of
        # the CPU of deciding, a tenth of a second at a time.
        gc.collect()
        gc.freeze()

    async def stop(self) -> None:
        """Lets go of everything."""
        await self.host.stop()
        await self.publisher.stop()
        self.executor.shutdown(wait=False, cancel_futures=True)

    # What StageApp calls; it has called `start` before.

    async def assign(
        self, generation: int, committed: Mapping[TopicPartition, tuple[int, str] | None]
    ) -> Mapping[TopicPartition, int]:
        assert self.agent is not None
        return await self.agent.assign(generation, committed)

    async def revoke(self) -> None:
        if self.agent is not None:
            await self.agent.revoke()

    async def take(self, batches: Sequence[Batch]) -> None:
        assert self.agent is not None
        await self.agent.take(batches)

    def committable(self) -> Offsets:
        return {} if self.agent is None else self.agent.committable()

    def committed(self, offsets: Offsets) -> None:
        assert self.agent is not None
        self.agent.committed(offsets)


class ExtractStage(_Stage):
    """Raw records in; feature records, dead letters and marks out."""

    def __init__(self, settings: Settings, flow: Flow, metrics: Metrics) -> None:
        super().__init__("extract", settings, flow, metrics, settings.extract_threads)

    async def make_agent(self, homes: int) -> ExtractAgent:
        await asyncio.to_thread(warm_up)
        return ExtractAgent(
            ExtractSettings(
                worker=uuid.uuid4().hex,
                features_topic=self.topics.features,
                homes=homes,
                clocks=clock_config(self.settings),
                mark_interval=self.settings.mark_interval,
            ),
            extract_steps(self.settings, homes),
            self.host,
            self.publisher,
            self.executor,
            self.metrics,
        )


class DecideStage(_Stage):
    """Feature records and marks in; decisions, late letters and dead letters out."""

    def __init__(self, settings: Settings, flow: Flow, metrics: Metrics) -> None:
        super().__init__("decide", settings, flow, metrics, 1)

    async def make_agent(self, homes: int) -> DecideAgent:
        decider = await asyncio.to_thread(load_decider, self.settings)
        return DecideAgent(
            self.topics.features,
            decide_steps(self.settings, homes, decider, decider.policy),
            self.host,
            self.publisher,
            TopicMemory(self.settings, wall_ms),
            self.executor,
            self.metrics,
        )
