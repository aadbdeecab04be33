"""The extract stage's loop: what is confirmed, counted, committed and said in marks, and when."""

import logging
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from support.fakes import FakeHost, FakePublisher, batch_of, log_append, settle, until
from support.steps import DEAD, FEATURES, T0, extract_config, note, raw

from agents.extract.agent import IN_FLIGHT, ExtractAgent, ExtractSettings, WrongClock
from agents.extract.clocks import ClockConfig
from agents.extract.step import ExtractStep
from agents.metrics import Metrics
from schemas.mark import Mark, decode_mark
from schemas.record import Reading, TopicPartition

TP = TopicPartition("units.text", 2)
OTHER = TopicPartition("units.text", 0)
HOMES = 2


@dataclass
class Stage:
    """An agent and what it is surrounded by."""

    agent: ExtractAgent
    host: FakeHost
    publisher: FakePublisher
    metrics: Metrics

    def marks(self, home: int = 0) -> list[Mark]:
        sent = [out for out in self.publisher.attempted if out.partition == home]
        return [decode_mark(out.value) for out in sent]

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


@pytest.fixture
async def unproven() -> AsyncIterator[Stage]:
    """An extract stage of notes that sends marks as fast as it can."""
    host, publisher, metrics = FakeHost(T0), FakePublisher(), Metrics()
    host.counts = {"units.text": 3}
    clocks = ClockConfig(live_for=90_000, idle_timeout=5_000, max_source_lag=180_000)
    with ThreadPoolExecutor(1) as executor:
        agent = ExtractAgent(
            ExtractSettings("worker-1", FEATURES, HOMES, clocks, mark_interval=0.001),
            {"units.text": ExtractStep(extract_config())},
            host,
            publisher,
            executor,
            metrics,
        )
        made = Stage(agent, host, publisher, metrics)
        await agent.start()
        yield made
        await host.close()


@pytest.fixture
async def stage(unproven: Stage) -> Stage:
    """One that has compared its clock with the broker's."""
    await unproven.agent.assign(0, {})
    await until(unproven.marks)
    await unproven.agent.revoke()
    await settle()
    unproven.publisher.attempted.clear()
    return unproven


async def test_what_is_confirmed_is_finished_and_its_bytes_given_back(stage: Stage) -> None:
    agent = stage.agent
    assert await agent.assign(1, {TP: (4, "")}) == {TP: 4}
    assert agent.committable() == {}
    stage.publisher.gate.clear()
    await agent.take([batch_of([raw(note(), 4), raw(b"junk", 5)], size=70)])
    await settle()
    assert (stage.publisher.sent, agent.committable(), stage.host.given_back) == ([], {}, [])
    stage.publisher.gate.set()
    await until(agent.committable)
    assert [out.topic for out in stage.publisher.sent] == [FEATURES, DEAD]
    assert stage.host.given_back == [70]
    offsets = agent.committable()
    assert offsets == {TP: (6, f"clock {T0} awake {T0}")}
    agent.committed(offsets)
    assert agent.committable() == {}
    assert stage.count("regrade_observations_total", modality="text") == 1
    dead = stage.count("regrade_dead_letters_total", topic="units.text", reason="unknown-encoding")
    assert dead == 1
    assert stage.host.failures == []


async def test_nothing_is_finished_before_what_came_before_it(stage: Stage) -> None:
    agent, publisher = stage.agent, stage.publisher
    await agent.assign(1, {TP: (0, "")})
    publisher.gate.clear()
    await agent.take([batch_of([raw(note(name="a"), 0)], size=1)])
    await settle()  # it waits at the gate
    first_gate, publisher.gate = publisher.gate, type(publisher.gate)()
    publisher.gate.set()
    await agent.take([batch_of([raw(note(name="b"), 1)], size=2)])
    await settle()
    assert len(publisher.sent) == 1
    assert agent.committable() == {}
    first_gate.set()
    await until(agent.committable)
    assert agent.committable()[TP][0] == 2
    assert sorted(stage.host.given_back) == [1, 2]


async def test_a_batch_of_another_generation_is_dropped(stage: Stage) -> None:
    await stage.agent.assign(2, {TP: (0, "")})
    await stage.agent.take([batch_of([raw(note())], generation=1, size=9)])
    await settle()
    assert (stage.publisher.sent, stage.host.given_back) == ([], [9])


async def test_revoking_waits_for_what_is_in_flight(stage: Stage) -> None:
    agent = stage.agent
    await agent.assign(1, {TP: (0, "")})
    stage.publisher.gate.clear()
    await agent.take([batch_of([raw(note())])])
    revoking = stage.host.spawn(agent.revoke())
    await settle()
    assert not revoking.done()
    stage.publisher.gate.set()
    await revoking
    assert agent.committable() == {TP: (1, f"clock {T0} awake {T0}")}


async def test_what_is_not_confirmed_in_time_is_read_again(stage: Stage) -> None:
    agent = stage.agent
    await agent.assign(1, {TP: (0, "")})
    stage.publisher.gate.clear()
    await agent.take([batch_of([raw(note())], size=3)])
    revoking = stage.host.spawn(agent.revoke())
    await settle()
    revoking.cancel()  # it took too long
    await settle()
    stage.publisher.gate.set()
    await until(lambda: stage.host.given_back)
    assert (stage.publisher.sent, agent.committable()) == ([], {})
    assert await agent.assign(2, {TP: None}) == {TP: 0}


async def test_a_lease_that_has_lapsed_publishes_nothing(stage: Stage) -> None:
    agent = stage.agent
    await agent.assign(1, {TP: (0, "")})
    stage.host.ours = False
    await agent.take([batch_of([raw(note())])])
    await until(lambda: stage.host.given_back)
    assert (stage.publisher.sent, agent.committable()) == ([], {})
    assert stage.host.rejoined == 1
    stage.host.ours = True  # renewed by a heartbeat: what was not published is missing all the same
    await agent.take([batch_of([raw(note(name="n2"), 1)])])
    await until(lambda: len(stage.host.given_back) == 2)
    assert (stage.publisher.sent, agent.committable()) == ([], {})
    await agent.revoke()
    assert await agent.assign(2, {TP: (0, "")}) == {TP: 0}
    await agent.take([batch_of([raw(note())], generation=2)])
    await until(agent.committable)
    assert len(stage.publisher.sent) == 1


async def test_a_kept_partition_goes_on_where_it_was_with_its_clocks(stage: Stage) -> None:
    agent = stage.agent
    await agent.assign(4, {TP: (0, ""), OTHER: (3, "")})
    await agent.take([batch_of([raw(note(), 0)], generation=4)])
    await until(agent.committable)
    await agent.revoke()
    assert await agent.assign(5, {TP: None}) == {TP: 1}
    assert agent.committable() == {TP: (1, f"clock {T0} awake {T0}")}


@pytest.mark.parametrize(("generation", "offset"), [(6, 1), (5, 9)])
async def test_what_somebody_else_has_read_meanwhile_goes_on_from_the_commit(
    stage: Stage, generation: int, offset: int
) -> None:
    agent, committed = stage.agent, (offset, f"clock {T0 + 7} idle {T0 + 7}")
    await agent.assign(4, {TP: (0, "")})
    await agent.take([batch_of([raw(note(), 0)], generation=4)])
    await until(agent.committable)
    await agent.revoke()
    assert await agent.assign(generation, {TP: committed}) == {TP: offset}
    await until(lambda: any(m.generation == generation for m in stage.marks()))
    (source,) = stage.marks()[-1].sources
    assert (source.event_time, source.next_offset) == (T0 + 7, offset)


# -- marks ------------------------------------------------------------------------------------


async def test_marks_go_to_every_home_and_speak_of_what_is_confirmed(stage: Stage) -> None:
    agent = stage.agent
    await agent.assign(7, {TP: (0, ""), OTHER: (5, "")})
    stage.host.found = {TP: Reading(False, 0, 50), OTHER: Reading(True, -1, 50)}
    await until(lambda: stage.marks(0) and stage.marks(1))
    mark = stage.marks(0)[0]
    assert (mark.worker, mark.generation, mark.partitions) == ("worker-1", 7, {"units.text": 3})
    assert [(s.partition, s.next_offset, s.event_time) for s in mark.sources] == [
        (2, 0, None),
        (0, 5, None),
    ]
    await agent.take([batch_of([raw(note(), 0)], generation=7)])
    await until(lambda: stage.marks()[-1].sources[0].next_offset == 1)
    last = stage.marks()[-1].sources
    assert (last[0].event_time, last[0].awake) == (T0, True)
    assert (last[1].at_end, last[1].awake) == (False, False)  # nothing was answered since
    assert all(out.topic == FEATURES and out.key is None for out in stage.publisher.attempted)


async def test_one_unconfirmed_mark_a_home_at_most(stage: Stage) -> None:
    await stage.agent.assign(1, {TP: (0, "")})
    stage.publisher.gate.clear()
    await until(lambda: stage.marks(1))
    await settle()
    assert [len(stage.marks(home)) for home in range(HOMES)] == [1, 1]
    stage.publisher.gate.set()
    await until(lambda: len(stage.marks(0)) > 3)


async def test_no_marks_without_an_assignment_or_a_lease(stage: Stage) -> None:
    agent = stage.agent
    await settle()
    stage.host.ours = False
    await agent.assign(1, {TP: (0, "")})
    await settle()
    assert stage.publisher.attempted == []
    stage.host.ours = True
    await until(stage.marks)
    await agent.revoke()
    await settle()  # what has been made is sent
    sent = len(stage.publisher.attempted)
    await settle()
    assert len(stage.publisher.attempted) == sent


async def test_answers_let_the_clocks_of_silent_stations_go_on(stage: Stage) -> None:
    agent = stage.agent
    await agent.assign(1, {TP: (0, "")})
    await agent.take([batch_of([raw(note(), 0)])])
    await until(agent.committable)
    for answered_at in (100, 400, 1_000):
        stage.host.found = {TP: Reading(True, 0, answered_at)}
        said = len(stage.marks())
        await until(lambda said=said: any(m.sources[0].at_end for m in stage.marks()[said:]))
    assert stage.marks()[-1].sources[0].event_time == T0 + 900


async def test_it_is_not_at_its_end_while_the_last_record_is_not_confirmed(stage: Stage) -> None:
    agent = stage.agent
    await agent.assign(1, {TP: (0, "")})
    stage.host.found = {TP: Reading(True, 0, 100)}  # record 0 has been handed out
    await until(lambda: len(stage.marks()) > 2)
    assert not any(mark.sources[0].at_end for mark in stage.marks())
    await agent.take([batch_of([raw(note(), 0)])])
    await until(lambda: any(mark.sources[0].at_end for mark in stage.marks()))


@pytest.mark.parametrize(
    ("broker", "words"),
    [(-5_001, "5001 ms ahead of the broker's"), (5_001, "5001 ms behind the broker's")],
)
async def test_a_worker_whose_clock_is_wrong_ends(stage: Stage, broker: int, words: str) -> None:
    stage.publisher.said = log_append(T0 + broker)
    await stage.agent.assign(1, {TP: (0, "")})
    await until(lambda: stage.host.failures)
    error = stage.host.failures[0]
    assert isinstance(error, WrongClock)
    assert words in str(error)


async def test_up_to_5_s_and_times_that_are_not_the_brokers_tell_nothing(stage: Stage) -> None:
    stage.publisher.said = log_append(T0 + 5_000)
    await stage.agent.assign(1, {TP: (0, "")})
    await until(lambda: len(stage.marks()) > 2)
    stage.publisher.said = log_append(T0 - 10**9)
    stage.publisher.said.timestamp_type = 0  # CreateTime
    sent = len(stage.marks())
    await until(lambda: len(stage.marks()) > sent + 2)
    assert stage.host.failures == []


async def test_a_station_with_a_wrong_clock_is_named_once(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    agent = stage.agent
    await agent.assign(1, {TP: (0, "")})
    behind = note(name="old", at=T0 - 200_000)
    object.__setattr__(behind, "source", "desk-9")
    await agent.take([batch_of([raw(note(), 0), raw(behind, 1)])])
    await until(agent.committable)
    stage.host.found = {TP: Reading(True, 1, 100)}
    with caplog.at_level(logging.WARNING):
        await until(lambda: caplog.records)
        await settle()
    named = [record.getMessage() for record in caplog.records]
    assert len(named) == 1
    assert "station desk-9 on units.text[2]" in named[0]
    assert stage.count("regrade_wrong_clocks", kind="station") == 1


async def test_stopping_finishes_what_is_in_flight(stage: Stage) -> None:
    await stage.agent.assign(1, {TP: (0, "")})
    await stage.agent.take([batch_of([raw(note(), 0)])])
    await stage.agent.stop()
    assert stage.agent.committable() == {TP: (1, f"clock {T0} awake {T0}")}


async def test_nobody_is_judged_before_our_own_clock_is(unproven: Stage) -> None:
    unproven.publisher.said = None  # no mark is confirmed yet
    await unproven.agent.assign(1, {TP: (0, "")})
    taking = unproven.host.spawn(unproven.agent.take([batch_of([raw(note(), 0)])]))
    await until(lambda: len(unproven.marks()) > 1)
    assert not taking.done()
    unproven.publisher.said = log_append(T0)
    await until(unproven.agent.committable)


async def test_at_most_so_many_batches_are_under_way(stage: Stage) -> None:
    agent = stage.agent
    await agent.assign(1, {TP: (0, "")})
    stage.publisher.gate.clear()
    taken = []

    async def take_all() -> None:
        for offset in range(IN_FLIGHT + 3):
            await agent.take([batch_of([raw(note(name=f"n{offset}"), offset)])])
            taken.append(offset)

    taking = stage.host.spawn(take_all())
    await until(lambda: len(taken) == IN_FLIGHT)
    await settle()
    assert len(taken) == IN_FLIGHT
    stage.publisher.gate.set()
    await taking
    await until(lambda: agent.committable().get(TP, (0, ""))[0] == IN_FLIGHT + 3)


async def test_a_station_that_is_too_far_ahead_is_named_once(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    await stage.agent.assign(1, {TP: (0, "")})
    with caplog.at_level(logging.WARNING):
        for offset in (0, 1):
            ahead = note(name=f"n{offset}", at=T0 + 60_001)
            await stage.agent.take([batch_of([raw(ahead, offset)])])
        await until(lambda: stage.agent.committable().get(TP, (0, ""))[0] == 2)
    (named,) = [record.getMessage() for record in caplog.records]
    assert "station desk-1 on units.text[2] is too far ahead" in named
