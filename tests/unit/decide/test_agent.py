"""The decide stage's loop: homes that come, stay, go and break, and what is committed of each."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event

import numpy as np
import pytest
from numpy.typing import NDArray
from support.fakes import FakeHost, FakePublisher, batch_of, settle, until
from support.steps import (
    DECISIONS,
    FEATURES,
    LATE,
    T0,
    StubModel,
    decide_config,
    features_of,
    home_record,
    mark_of,
)

from agents.decide import agent as module
from agents.decide.agent import DecideAgent
from agents.decide.step import DecideStep, StartingPoint
from agents.metrics import Metrics
from schemas.decision import Decision
from schemas.errors import RecordError, Unavailable
from schemas.feature_record import FeatureRecord
from schemas.record import Record, TopicPartition

TP, OTHER = TopicPartition(FEATURES, 0), TopicPartition(FEATURES, 1)
VISUAL = features_of("LT-1", "visual", "a", 0)
TEXT = features_of("LT-1", "text", "b", 9_000)


@dataclass
class FakeMemory:
    """What the topics remember: nothing, unless a test has laid it out."""

    known: list[Record | Decision] = field(default_factory=list)
    asked: list[tuple[int, int | None, int]] = field(default_factory=list)
    unavailable: int = 0
    """How many times it cannot be read."""
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def recall(
        self, home: int, oldest_mark: int | None, first: int
    ) -> AsyncIterator[Record | Decision]:
        self.asked.append((home, oldest_mark, first))
        await self.gate.wait()
        for item in self.known:
            yield item
        if self.unavailable:
            self.unavailable -= 1
            raise Unavailable("the log has no leader")


class SlowModel(StubModel):
    """A model that waits, in its thread, until it may go on."""

    may = Event()

    def encode(
        self, records: Sequence[FeatureRecord]
    ) -> Sequence[NDArray[np.float32] | RecordError]:
        assert self.may.wait(5)
        return super().encode(records)


@dataclass
class Stage:
    """An agent and what it is surrounded by."""

    agent: DecideAgent
    host: FakeHost
    publisher: FakePublisher
    memory: FakeMemory
    metrics: Metrics
    made: list[StartingPoint | None]

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0

    async def take(
        self, *values: bytes, first: int = 0, home: int = 0, generation: int = 1, size: int = 1
    ) -> None:
        records = [home_record(value, first + i, home) for i, value in enumerate(values)]
        await self.agent.take([batch_of(records, generation=generation, size=size)])

    def published(self) -> list[str]:
        return [out.topic for out in self.publisher.sent]


@pytest.fixture(autouse=True)
def _steps_run_in_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.off_loop.FEW", 0)


@pytest.fixture
async def stage(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """A decide stage whose steps take as long as `SlowModel.may` is clear."""
    monkeypatch.setattr(module, "RETRY_AFTER", 0.001)
    SlowModel.may.set()
    host, publisher, memory, metrics = FakeHost(T0), FakePublisher(), FakeMemory(), Metrics()
    memory.gate.set()
    made: list[StartingPoint | None] = []

    def make_step(start: StartingPoint | None) -> DecideStep:
        made.append(start)
        return DecideStep(decide_config(), SlowModel(), start)

    with ThreadPoolExecutor(1) as executor:
        agent = DecideAgent(FEATURES, make_step, host, publisher, memory, executor, metrics)
        await agent.start()
        yield Stage(agent, host, publisher, memory, metrics, made)
        SlowModel.may.set()
        await host.close()


# -- records ----------------------------------------------------------------------------------


async def test_decisions_are_published_and_finished_once_their_passage_is_retired(
    stage: Stage,
) -> None:
    assert await stage.agent.assign(1, {TP: (0, "")}) == {TP: 0}
    await stage.take(VISUAL, TEXT, size=40)
    await until(lambda: stage.host.given_back)
    assert (stage.published(), stage.agent.committable()) == ([DECISIONS], {})
    await stage.take(mark_of(90_000), first=2)
    await until(stage.agent.committable)
    offsets = stage.agent.committable()
    assert offsets == {TP: (3, f"watermark {T0 + 90_000} mark 2")}
    stage.agent.committed(offsets)
    assert stage.agent.committable() == {}
    assert stage.host.given_back == [40, 1]
    assert stage.count("regrade_decisions_total", status="final", option="resell") == 1
    assert stage.count("regrade_unfinished_records") == 0
    assert stage.host.failures == []


async def test_nothing_is_finished_before_it_is_confirmed(stage: Stage) -> None:
    await stage.agent.assign(1, {TP: (0, "")})
    stage.publisher.gate.clear()
    await stage.take(b"junk")
    await settle()
    assert (stage.agent.committable(), stage.host.given_back) == ({}, [])
    stage.publisher.gate.set()
    await until(stage.agent.committable)
    assert stage.agent.committable() == {TP: (1, "")}
    dead = stage.count("regrade_dead_letters_total", topic=FEATURES, reason="unknown-schema")
    assert dead == 1


async def test_what_comes_again_within_an_assignment_is_passed_over(stage: Stage) -> None:
    await stage.agent.assign(1, {TP: (0, "")})
    await stage.take(mark_of(90_000), VISUAL)
    await stage.take(VISUAL, mark_of(91_000), first=1)
    await until(lambda: len(stage.host.given_back) == 2)
    assert stage.published() == [LATE]
    assert stage.agent.committable()[TP][0] == 3


async def test_a_batch_of_another_generation_or_home_is_dropped(stage: Stage) -> None:
    await stage.agent.assign(2, {TP: (0, "")})
    await stage.take(VISUAL, TEXT, generation=1, size=7)
    await stage.take(VISUAL, TEXT, generation=2, home=1, size=8)
    await settle()
    assert (stage.published(), stage.host.given_back) == ([], [7, 8])


async def test_homes_do_not_wait_for_one_another(stage: Stage) -> None:
    stage.memory.gate.clear()
    await stage.agent.assign(1, {TP: (0, "")})
    await settle()
    assert stage.host.paused == {TP}
    stage.memory.gate.set()
    await until(lambda: not stage.host.paused)
    stage.memory.gate.clear()
    await stage.agent.revoke()
    assert await stage.agent.assign(2, {TP: (0, ""), OTHER: (3, "")}) == {TP: 0, OTHER: 3}
    await stage.take(VISUAL, TEXT, generation=2)
    await stage.take(VISUAL, TEXT, first=3, home=1, generation=2)
    await until(stage.published)
    await settle()
    assert (stage.published(), stage.host.paused) == ([DECISIONS], {OTHER})
    stage.memory.gate.set()
    await until(lambda: len(stage.published()) == 2)
    assert stage.host.paused == set()


# -- taking over ------------------------------------------------------------------------------


async def test_a_home_that_is_new_reads_back_what_is_remembered(stage: Stage) -> None:
    step = DecideStep(decide_config(), StubModel())
    records = [home_record(value, offset) for offset, value in enumerate((VISUAL, TEXT))]
    stage.memory.known = [home_record(mark_of(1_000), 4), *step.step(records, T0).decisions]
    start = StartingPoint(T0 + 500, 4)
    assert await stage.agent.assign(1, {TP: (5, str(start))}) == {TP: 5}
    await stage.take(VISUAL, TEXT, mark_of(90_000), first=5)
    await until(stage.agent.committable)
    assert stage.memory.asked == [(0, 4, 5)]
    assert stage.made == [start]
    assert (stage.published(), stage.agent.committable()[TP][0]) == ([], 8)


async def test_what_cannot_be_read_back_is_tried_again_with_a_new_step(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.memory.unavailable = 3
    with caplog.at_level(logging.WARNING):
        await stage.agent.assign(1, {TP: None})
        await until(lambda: not stage.host.paused)
    assert stage.memory.asked == [(0, None, 0)] * 4
    assert stage.made == [None] * 4
    assert [r.getMessage() for r in caplog.records] == [
        "Home partition 0 is not read back yet: the log has no leader"
    ]
    await stage.take(VISUAL, TEXT)
    await until(stage.published)


async def test_a_home_owned_just_before_keeps_its_state_and_position(stage: Stage) -> None:
    await stage.agent.assign(4, {TP: (0, ""), OTHER: (0, "")})
    await stage.take(VISUAL, generation=4)
    await until(lambda: stage.host.given_back)
    await stage.agent.revoke()
    assert await stage.agent.assign(5, {TP: (0, "")}) == {TP: 1}
    await stage.take(TEXT, first=1, generation=5)
    await until(stage.published)
    assert len(stage.made) == 2


async def test_one_that_somebody_may_have_owned_in_between_does_not(stage: Stage) -> None:
    await stage.agent.assign(4, {TP: (0, "")})
    await stage.take(VISUAL, generation=4)
    await until(lambda: stage.host.given_back)
    await stage.agent.revoke()
    assert await stage.agent.assign(6, {TP: (0, "")}) == {TP: 0}
    await stage.take(VISUAL, TEXT, generation=6)
    await until(stage.published)
    assert len(stage.made) == 2


# -- giving up --------------------------------------------------------------------------------


async def test_revoking_waits_for_what_has_begun_and_begins_nothing_more(stage: Stage) -> None:
    await stage.agent.assign(1, {TP: (0, "")})
    await until(lambda: not stage.host.paused)
    SlowModel.may.clear()
    await stage.take(VISUAL, TEXT)
    await settle()
    await stage.take(mark_of(90_000), first=2)
    revoking = stage.host.spawn(stage.agent.revoke())
    await settle()
    assert not revoking.done()
    SlowModel.may.set()
    await revoking
    await settle()
    assert (stage.published(), stage.agent.committable()) == ([DECISIONS], {})
    assert await stage.agent.assign(2, {TP: (0, "")}) == {TP: 3}
    await until(stage.agent.committable)  # what was queued goes on


async def test_a_home_that_has_moved_gives_back_all_that_it_held(stage: Stage) -> None:
    await stage.agent.assign(1, {TP: (0, "")})
    await until(lambda: not stage.host.paused)
    await stage.agent.revoke()
    await stage.agent.assign(2, {TP: (0, "")})
    SlowModel.may.clear()
    await stage.take(VISUAL, generation=2, size=1)
    await settle()
    await stage.take(TEXT, first=1, generation=2, size=2)
    await stage.take(mark_of(1), first=2, generation=2, size=4)
    SlowModel.may.set()
    await stage.agent.revoke()
    await settle()  # one batch is in the hands of the home, one in its queue
    await stage.agent.assign(3, {OTHER: (0, "")})
    await settle()
    assert sum(stage.host.given_back) == 7


async def test_what_takes_too_long_publishes_nothing_afterwards(stage: Stage) -> None:
    await stage.agent.assign(1, {TP: (0, "")})
    await until(lambda: not stage.host.paused)
    SlowModel.may.clear()
    await stage.take(VISUAL, TEXT)
    await settle()
    revoking = stage.host.spawn(stage.agent.revoke())
    await settle()
    revoking.cancel()
    await settle()
    SlowModel.may.set()
    await until(lambda: stage.host.given_back)
    await settle()
    assert stage.published() == []
    assert await stage.agent.assign(2, {TP: (0, "")}) == {TP: 0}
    await stage.take(VISUAL, TEXT, generation=2)
    await until(stage.published)


async def test_a_fenced_home_is_broken_until_the_next_assignment(stage: Stage) -> None:
    await stage.agent.assign(1, {TP: (0, ""), OTHER: (0, "")})
    stage.host.ours = False
    await stage.take(VISUAL, TEXT, size=3)
    await until(lambda: stage.host.given_back)
    await stage.take(mark_of(90_000), first=2, size=5)
    await settle()
    assert (stage.published(), stage.agent.committable()) == ([], {})
    assert stage.host.rejoined == 1
    stage.host.ours = True  # renewed by a heartbeat: it is broken all the same
    await settle()
    assert stage.published() == []
    await stage.agent.revoke()
    assert await stage.agent.assign(2, {TP: (0, ""), OTHER: (0, "")}) == {TP: 0, OTHER: 0}
    assert stage.host.paused == {TP}
    await stage.take(VISUAL, TEXT, generation=2)
    await until(stage.published)
    assert len(stage.made) == 3
    await until(lambda: sum(stage.host.given_back) == 3 + 5 + 1)


async def test_stopping_finishes_what_has_begun_and_closes(stage: Stage) -> None:
    await stage.agent.assign(1, {TP: (0, "")})
    await until(lambda: not stage.host.paused)
    await stage.take(b"junk")
    await settle()
    await stage.agent.stop()
    assert stage.agent.committable() == {TP: (1, "")}
    await stage.agent.assign(2, {})
    assert stage.agent.committable() == {}


# -- what homes report ------------------------------------------------------------------------


async def test_an_input_partition_with_a_wrong_clock_is_named_once(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    await stage.agent.assign(1, {TP: (0, ""), OTHER: (0, "")})
    far = mark_of(300_000, worker="A", modalities=["visual"])
    near = mark_of(0, worker="B", modalities=["text"])
    with caplog.at_level(logging.WARNING):
        for home in (0, 1):
            await stage.take(far, near, home=home)
        await until(lambda: len(stage.host.given_back) == 2)
        await stage.take(far, near, first=2)
        await until(lambda: len(stage.host.given_back) == 3)
    (named,) = [record.getMessage() for record in caplog.records]
    assert "The clock of units.text[0]" in named
    assert stage.count("regrade_wrong_clocks", kind="partition") == 1


async def test_late_ones_repeats_and_open_passages_are_counted(stage: Stage) -> None:
    await stage.agent.assign(1, {TP: (0, "")})
    vouched = mark_of(0, next_offsets={"visual": 1})
    early = features_of("LT-2", "visual", "x", -100_000, origin=0)
    late = features_of("LT-2", "visual", "y", -100_000, origin=1)
    await stage.take(vouched, early, late, VISUAL, VISUAL)
    await until(lambda: stage.count("regrade_late_total"))
    assert stage.count("regrade_late_total") == 1
    assert stage.count("regrade_repeats_total") == 1
    assert stage.count("regrade_open_passages") == 1
    assert stage.count("regrade_duplicates") == 1
    assert stage.count("regrade_unfinished_records") == 2
