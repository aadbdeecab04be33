"""The small parts round a stage: lease, byte budget, what is logged, and names that Faust has."""

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import faust
import pytest

from schemas.record import Batch, TopicPartition
from stream.kafka.budget import Budget
from stream.kafka.lease import Lease
from stream.kafka.outage import Outage
from stream.kafka.quiet import Seldom
from stream.kafka.stage_app import StageApp
from stream.settings import Settings


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_lease_lasts_for_a_session_after_the_last_heartbeat(clock: Clock) -> None:
    lease = Lease("g", 6.0, clock)
    assert not lease.holds()
    lease.begin(100.0)
    clock.now = 105.9
    assert lease.holds()
    lease.renew(105.5)
    clock.now = 111.4
    assert lease.holds()


def test_a_lapsed_lease_lasts_until_the_next_assignment(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    lease = Lease("g", 6.0, clock)
    lease.begin(100.0)
    clock.now = 107.0
    assert not lease.holds()
    lease.renew(107.0)
    assert not lease.holds()
    lease.begin(107.0)
    assert lease.holds()
    assert len(caplog.records) == 1


def batch(size: int) -> Batch:
    return Batch(TopicPartition("t", 0), 1, (), caught_up_before=False, size=size)


async def test_the_budget_stops_reading_until_something_is_done() -> None:
    budget, first, second = Budget(10), batch(6), batch(7)
    budget.take(first)
    assert budget.room == 4
    budget.take(second)  # the last one may exceed it
    assert (budget.room, budget.used) == (0, 13)
    waiting = asyncio.create_task(budget.wait_for_room())
    await asyncio.sleep(0)
    assert not waiting.done()
    budget.give_back(first)
    budget.give_back(first)  # counts once
    await waiting
    assert budget.used == 7


async def test_a_new_generation_has_the_whole_budget() -> None:
    budget, old = Budget(10), batch(20)
    budget.take(old)
    budget.forget()
    await budget.wait_for_room()
    new = batch(5)
    budget.take(new)
    budget.give_back(old)
    assert budget.used == 5


def test_an_outage_is_two_lines(caplog: pytest.LogCaptureFixture) -> None:
    outage = Outage("Publishing")
    outage.works()
    for _ in range(3):
        outage.fails(OSError("no route"))
    outage.works()
    outage.works()
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "no route" in caplog.text


def test_the_client_repeats_itself_once_a_minute() -> None:
    seldom = Seldom()
    logger = logging.getLogger("test")

    def said(message: str, *arguments: object) -> bool:
        record = logger.makeRecord("test", 30, "f", 1, message, arguments, None)
        return bool(seldom.filter(record))

    assert said("node %s is away", 1)
    assert not said("node %s is away", 2)
    assert said("node %s is back", 1)


FAUST_CALLS = {"on_start", "on_shutdown", "crash", "_crash", "_new_transport"}
"""What is meant to replace something of Faust's."""


@pytest.fixture
def app(tmp_path: Path) -> Iterator[StageApp]:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield StageApp(Settings(datadir=tmp_path), "null", [], lambda flow: None)  # type: ignore[arg-type, return-value]
    asyncio.set_event_loop(None)
    loop.close()


def test_no_name_of_ours_shadows_one_of_fausts(app: StageApp) -> None:
    ours = {name for name in vars(StageApp) if not name.startswith("__")}
    assert ours & set(dir(faust.App)) - FAUST_CALLS <= {"abstract", "_abc_impl", "logger", "log"}
    plain = set(vars(faust.App("plain", loop=app.loop)))
    added = set(vars(app)) - plain
    assert added & set(dir(faust.App)) <= plain
