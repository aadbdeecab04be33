"""Workers die, freeze, come and go under load: nothing is lost, nothing partial, no conflict."""

import asyncio

import pytest
from support.load import Load
from support.worker_process import SHORT, Workers

from stream.kafka.embedded import EmbeddedBroker
from stream.kafka.topics import Topics, create_topics
from stream.replay.audit import AuditReport, Outcome
from stream.settings import Settings

pytestmark = pytest.mark.timeout(280)

# Run side by side, one group each: those that load the line, and those that mostly wait.
BUSY, WAITING = pytest.mark.xdist_group("busy"), pytest.mark.xdist_group("waiting")
# Take-over after a kill takes seconds, in which stations go on sending; and a test machine that is
# too slow for the load falls behind the wall clock, which must not look like a late station.
PATIENT = SHORT | {"window": 16.0, "grace": 6.0}


@pytest.fixture
def line(settings: Settings) -> Settings:
    # A loaded test machine must not miss heartbeats by itself.
    session = max(settings.session_timeout, 4.0)
    return settings.model_copy(update=PATIENT | {"session_timeout": session})


def assert_flawless(report: AuditReport, units: int) -> None:
    assert report.faults == {}, report.examples
    assert report.passages == units
    assert report.late == 0
    assert report.dead_letters == 0


@BUSY
async def test_three_kills_under_load(line: Settings, topics: Topics, tmp_path) -> None:
    load = Load(units=2_000, rate=70)
    with Workers(line, tmp_path) as workers:
        worker = workers.start()
        await workers.ready()
        sending = asyncio.create_task(load.send([line]))
        for _ in range(3):
            await asyncio.sleep(7)
            worker.kill()
            worker = workers.start()
        await sending
        report = await load.audited(line, within=90)
    assert_flawless(report, load.units)


@BUSY
async def test_workers_join_and_leave_under_load(line: Settings, topics: Topics, tmp_path) -> None:
    load = Load(units=2_000, rate=70)
    with Workers(line, tmp_path) as workers:
        first = workers.start()
        await workers.ready()
        sending = asyncio.create_task(load.send([line]))
        await asyncio.sleep(3)
        workers.start()
        await workers.ready()
        await asyncio.sleep(2)
        first.terminate()
        assert await first.ended() == 0
        third = workers.start()
        await workers.ready()
        await asyncio.sleep(2)
        third.kill()
        await sending
        report = await load.audited(line, within=90)
    assert_flawless(report, load.units)


@WAITING
async def test_a_frozen_worker_stays_silent_when_it_thaws(
    line: Settings, topics: Topics, tmp_path
) -> None:
    load = Load(units=700, rate=30)
    with Workers(line, tmp_path) as workers:
        frozen = workers.start()
        await workers.ready()
        sending = asyncio.create_task(load.send([line]))
        await asyncio.sleep(3)
        workers.start()
        await workers.ready()
        frozen.suspend()
        await asyncio.sleep(line.session_timeout * 2)
        frozen.resume()
        await sending
        report = await load.audited(line, within=90)
        assert frozen.running
    assert_flawless(report, load.units)


@WAITING
async def test_an_outage_of_the_broker_closes_no_window(
    own_broker: EmbeddedBroker, settings: Settings, tmp_path
) -> None:
    changes = {"window": 8.0, "bootstrap_servers": own_broker.bootstrap}
    line = settings.model_copy(update=PATIENT | changes)
    await create_topics(line)
    load = Load(units=600, rate=30)
    with Workers(line, tmp_path) as workers:
        workers.start()
        await workers.ready()
        sending = asyncio.create_task(load.send([line]))
        await asyncio.sleep(6)
        own_broker.suspend()
        # Longer than a window: a wall clock that went on would close everything that is open.
        await asyncio.sleep(line.window + 4)
        own_broker.resume()
        await sending
        report = await load.audited(line, within=120)
    assert_flawless(report, load.units)


@BUSY
async def test_a_backlog_is_decided_as_it_would_have_been_live(
    line: Settings, topics: Topics, tmp_path
) -> None:
    later = line.model_copy(
        update={"topic_prefix": f"later-{line.topic_prefix}", "group": f"later-{line.group}"}
    )
    await create_topics(later)
    load = Load(units=3_930, rate=90)  # 20,000 observations
    (folder := tmp_path / "later").mkdir()
    with Workers(line, tmp_path) as live, Workers(later, folder) as backlog:
        live.start()
        await live.ready()
        await load.send([line, later])
        assert load.sent >= 20_000
        # The last windows of the one are still open when the other begins to read.
        backlog.start()
        as_live, as_backlog = await asyncio.gather(
            load.audited(line, within=90), load.audited(later, within=150)
        )
    assert_flawless(as_live, load.units)
    assert_flawless(as_backlog, load.units)
    assert decided(as_backlog.outcomes) == decided(as_live.outcomes)


def decided(outcomes: tuple[Outcome, ...]) -> dict[str, object]:
    """What the last revision of each unit says, apart from when and in which revision."""
    found = {}
    for _, decision in outcomes:
        assert decision is not None
        found[decision.unit_id] = decision.model_dump(
            include={
                *("passage_id", "passage", "quality", "material", "routing", "reuse"),
                *("disassembly", "missing"),
            }
        )
    return found
