"""Stages that do nothing but pass records on, in a worker process of their own.

    python -m support.null_stage '{"stages": [{"name": "extract", "inputs": [...], ...}]}'

What they publish says in a header where each record came from and who passed it on, so the output
topic tells what was taken, by whom, in which order.
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from agents.frontier import Frontier
from schemas.record import Batch, Outgoing, TopicPartition
from stream.kafka.assignor import Homes, SharedHomes, StickyAssignor
from stream.kafka.partitioner import home_partition
from stream.kafka.process import run, run_each
from stream.kafka.producer import Producer
from stream.kafka.stage import Flow, Offsets
from stream.kafka.stage_app import StageApp
from stream.settings import Settings

PASSED = "passed"
"""The header: a JSON list of topic, partition, offset, process, generation, monotonic ns."""
UNDER_WAY = 16
"""Batches that are being passed on at a time."""


@dataclass
class Plan:
    """One null stage, as the command line describes it."""

    name: str
    inputs: list[str]
    output: str | None = None
    partitions: int = 1
    """Of the output."""
    keep: bool = False
    """Whether kept partitions go on at their own position."""
    fail: str | None = None
    """What fails: start, assign, take, revoke, task, commit raise there; fetch and coordination end
    these tasks of aiokafka's, drain breaks the loop that Faust polls in."""
    fail_at: int = 5
    """After how many batches (take, task, commit, fetch, coordination, drain)."""
    hold: bool = False
    """Whether batches are never done."""
    side: bool = False
    """Whether the output may refuse records."""


class NullStage:
    """Passes each record on, keyed as it came."""

    def __init__(self, flow: Flow, plan: Plan, settings: Settings) -> None:
        self._flow = flow
        self._plan = plan
        self._producer = Producer(
            settings, plan.name, [plan.output] if plan.side and plan.output else ()
        )
        self._frontiers: dict[TopicPartition, Frontier] = {}
        self._next: dict[TopicPartition, int] = {}
        self._under_way: set[asyncio.Task[None]] = set()
        self._batches = 0
        self._generation = -1

    async def start(self) -> None:
        self._maybe_fail("start")
        await self._producer.start()

    async def stop(self) -> None:
        await self._producer.stop()

    async def assign(
        self, generation: int, committed: Mapping[TopicPartition, tuple[int, str] | None]
    ) -> Mapping[TopicPartition, int]:
        self._maybe_fail("assign")
        self._generation = generation
        _say("assign", generation, {f"{t}/{p}": value for (t, p), value in committed.items()})
        if not self._plan.keep:
            self._frontiers, self._next = {}, {}
            return {}
        lost = self._next.keys() - committed.keys()
        for tp in lost:
            self._frontiers.pop(tp, None)
        self._next = {tp: offset for tp, offset in self._next.items() if tp not in lost}
        return dict(self._next)

    async def revoke(self) -> None:
        self._maybe_fail("revoke")
        if self._under_way:
            await asyncio.wait(self._under_way)

    async def take(self, batches: Sequence[Batch]) -> None:
        for batch in batches:
            await self._take(batch)

    async def _take(self, batch: Batch) -> None:
        self._batches += 1
        if self._batches >= self._plan.fail_at:
            self._maybe_fail("take")
            self._break(self._plan.fail)
        frontier = self._frontiers.setdefault(batch.tp, Frontier(0))
        frontier.deliver(record.offset for record in batch.records)
        self._next[batch.tp] = batch.records[-1].offset + 1
        if self._plan.hold:
            _say("held", self._batches, batch.size)
            return
        task = asyncio.create_task(self._pass_on(batch))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        while len(self._under_way) >= UNDER_WAY:
            await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)

    async def _pass_on(self, batch: Batch) -> None:
        try:
            if self._batches >= self._plan.fail_at:
                self._maybe_fail("task")
            delivered = await self._producer.deliver(self._outgoing(batch), self._flow.may_publish)
            if delivered and (frontier := self._frontiers.get(batch.tp)):
                frontier.finish([record.offset for record in batch.records])
        except Exception as error:
            self._flow.fail(error)
        finally:
            self._flow.done(batch)

    def _outgoing(self, batch: Batch) -> list[Outgoing]:
        plan = self._plan
        if plan.output is None:
            return []
        passed = [batch.tp.topic, batch.tp.partition, 0, os.getpid(), batch.generation]
        outgoing = []
        for record in batch.records:
            passed[2] = record.offset
            key = record.key or b""
            headers = [*record.headers, (PASSED, json.dumps(passed).encode())]
            partition = home_partition(key.decode(), plan.partitions)
            outgoing.append(Outgoing(plan.output, record.key, record.value, headers, partition))
        return outgoing

    def committable(self) -> Offsets:
        self._maybe_fail("commit")
        offsets = {tp: each.committable() for tp, each in self._frontiers.items()}
        return {tp: (at, f"up to {at}") for tp, at in offsets.items() if at is not None}

    def committed(self, offsets: Offsets) -> None:
        for tp, (offset, _) in offsets.items():
            if frontier := self._frontiers.get(tp):
                frontier.committed(offset)

    def _break(self, what: str | None) -> None:
        consumer: Any = self._flow.consumer  # type: ignore[attr-defined]
        thread = consumer._thread
        if what == "drain":
            consumer.budget = None
        elif what == "fetch":
            thread.thread_loop.call_soon_threadsafe(thread._consumer._fetcher._fetch_task.cancel)
        elif what == "coordination":
            coordination = thread._consumer._coordinator._coordination_task
            thread.thread_loop.call_soon_threadsafe(coordination.cancel)

    def _maybe_fail(self, where: str) -> None:
        if self._plan.fail == where and (where != "commit" or self._batches >= self._plan.fail_at):
            raise RuntimeError(f"made to fail: {where}")


def _say(*what: object) -> None:
    print(json.dumps(what), flush=True)


def main() -> int:
    orders = json.loads(sys.argv[1])
    settings = Settings.load(**orders.get("settings", {}))

    homes = SharedHomes()

    def app(plan: Plan, *, is_last: bool) -> StageApp:
        null = partial(NullStage, plan=plan, settings=settings)
        assignor = StickyAssignor(Homes, homes.put) if is_last else StickyAssignor(homes.get)
        return StageApp(settings, plan.name, plan.inputs, null, assignor)

    plans = [Plan(**stage) for stage in orders["stages"]]
    works = [
        partial(run, settings, partial(app, plan, is_last=plan is plans[-1])) for plan in plans
    ]
    return run_each(works) if len(works) > 1 else works[0]()


if __name__ == "__main__":
    sys.exit(main())
