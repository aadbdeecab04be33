"""The worker as a process on a broker, from a station's record to the MES's decision."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from support.sender import ANY, Sender, now_ms, observe
from support.topic_tail import TopicTail
from support.worker_process import SHORT, Workers

from schemas.decision import Decision
from schemas.modality import MODALITIES, Modality
from stream.kafka.connection import client_options
from stream.kafka.topics import Topics, create_topics
from stream.settings import Settings

SOME = (Modality.VISUAL, Modality.TEXT)
REST = tuple(m for m in MODALITIES if m not in SOME)
PATIENT = SHORT | {"window": 30.0, "grace": 10.0}
"""For units that are complete long before."""


@pytest.fixture
def workers(settings: Settings, tmp_path: Path) -> Iterator[Workers]:
    with Workers(settings.model_copy(update=SHORT), tmp_path) as started:
        yield started


@pytest.fixture
def patient(settings: Settings, tmp_path: Path) -> Iterator[Workers]:
    with Workers(settings.model_copy(update=PATIENT), tmp_path) as started:
        yield started


@pytest.fixture
def sender(settings: Settings) -> Iterator[Sender]:
    with Sender(settings) as opened:
        yield opened


def observed(decision: Decision) -> set[str]:
    return {evidence.observation_id for evidence in decision.evidence}


def ids(unit: str, modalities: tuple[Modality, ...] = MODALITIES) -> set[str]:
    return {f"{unit}-{modality}" for modality in modalities}


# -- decisions ------------------------------------------------------------------------------


async def test_a_complete_unit_is_decided_at_once(
    patient: Workers, topics: Topics, sender: Sender
) -> None:
    patient.start()
    await patient.ready()
    async with TopicTail(patient.settings, topics.decisions) as decisions:
        for observation in observe("LT-1"):
            sender.observation(observation)
        await patient.until(lambda: bool(decisions.records), "a decision", 15)
    [record], [decision] = decisions.records, decisions.decisions()
    assert (decision.status, decision.revision, decision.supersedes) == ("final", 1, None)
    assert decision.passage.closed_by == "complete"
    assert decision.missing == []
    assert observed(decision) == ids("LT-1")
    assert decision.decided_at < decision.passage.deadline - timedelta(seconds=10)
    # CloudEvents, binary content mode; keyed and at home like the observations.
    assert record.key == b"LT-1"
    assert record.partition == sender.home("LT-1")
    headers = {name: value.decode() for name, value in record.headers}
    assert datetime.fromisoformat(headers.pop("ce_time")) == decision.decided_at
    assert headers == {
        "ce_specversion": "1.0",
        "ce_id": decision.decision_id,
        "ce_type": "io.regrade.decision.v1",
        "ce_source": f"/{topics.prefix}regrade",
        "ce_subject": "LT-1",
        "content-type": "application/json",
    }


async def test_missing_modalities_are_waited_for_and_then_named(
    workers: Workers, topics: Topics, sender: Sender
) -> None:
    workers.start()
    await workers.ready()
    async with TopicTail(workers.settings, topics.decisions) as decisions:
        for observation in observe("LT-1", SOME):
            sender.observation(observation)
        await workers.until(lambda: bool(decisions.records), "a decision", 30)
        assert datetime.now(UTC) >= decisions.decisions()[0].passage.deadline
        quiet = time.monotonic() + workers.settings.grace + 2
        await workers.until(lambda: time.monotonic() > quiet)
    [decision] = decisions.decisions()
    assert (decision.status, decision.passage.closed_by) == ("final", "window")
    assert decision.missing == list(REST)
    assert observed(decision) == ids("LT-1", SOME)
    opened = decision.passage.opened_at
    assert opened == min(evidence.captured_at for evidence in decision.evidence)
    assert decision.passage.deadline - opened == timedelta(seconds=workers.settings.window)


async def test_new_evidence_within_grace_amends(
    workers: Workers, topics: Topics, sender: Sender
) -> None:
    workers.start(window=3.0, grace=20.0)
    await workers.ready()
    entered = now_ms()
    async with TopicTail(workers.settings, topics.decisions) as decisions:
        for observation in observe("LT-1", SOME, entered):
            sender.observation(observation)
        await workers.until(lambda: len(decisions.records) == 1, "the first decision", 30)
        # The thermal camera had lost its network; it measured in time.
        for observation in observe("LT-1", (Modality.THERMAL,), entered + 2000):
            sender.observation(observation)
        await workers.until(lambda: len(decisions.records) == 2, "the second decision", 15)
    first, second = decisions.decisions()
    assert (first.status, second.status) == ("final", "amended")
    assert (second.revision, second.supersedes) == (2, first.decision_id)
    assert second.passage_id == first.passage_id
    assert observed(second) - observed(first) == {"LT-1-thermal"}
    assert second.missing == [m for m in first.missing if m is not Modality.THERMAL]


@pytest.mark.parametrize("astray", [0, 1], ids=["at-home", "misrouted"])
async def test_what_comes_after_retirement_is_kept_aside(
    workers: Workers, topics: Topics, sender: Sender, astray: int
) -> None:
    workers.start()
    await workers.ready()
    partition = (sender.home("LT-1") + astray) % workers.settings.partitions
    long_ago = now_ms() - 120_000
    given = [("trace", b"1"), ("trace", b"2"), ("none", None)]
    async with (
        TopicTail(workers.settings, topics.late) as late,
        TopicTail(workers.settings, topics.decisions) as decisions,
    ):
        # Once nothing has come for a while, the watermark follows the clock.
        idle = time.monotonic() + workers.settings.idle_timeout + 1
        await workers.until(lambda: time.monotonic() > idle)
        [observation] = observe("LT-1", (Modality.TEXT,), long_ago)
        value = sender.observation(observation, partition=partition, headers=given)
        await workers.until(lambda: bool(late.records), "the late observation", 20)
        # A unit of today is none the worse for it.
        for observation in observe("LT-2"):
            sender.observation(observation)
        await workers.until(lambda: bool(decisions.records), "a decision", 15)
    [record], [decision] = late.records, decisions.decisions()
    assert (record.key, record.value) == (b"LT-1", value)
    assert list(record.headers[:3]) == given
    origin = f"{topics.observation(Modality.TEXT)}/{partition}/0".encode()
    assert set(record.headers[3:]) == {("regrade.origin", origin)}
    assert decision.unit_id == "LT-2"


async def test_a_misrouted_backlog_gives_complete_decisions(
    workers: Workers, topics: Topics, sender: Sender
) -> None:
    """Written while no worker ran, half by Java's partitioner, half by librdkafka's default."""
    units = [f"LT-{number}" for number in range(200)]
    began = now_ms() - 300_000
    for number, unit in enumerate(units):
        for step, observation in enumerate(observe(unit)):
            at = began + 50 * number + 400 * step
            partition = ANY if step % 2 else sender.home(unit)
            sender.observation(replace(observation, captured_at=at), partition=partition)
    await sender.flush()
    workers.start()
    async with TopicTail(workers.settings, topics.decisions) as decisions:
        await workers.until(
            lambda: {d.unit_id for d in decisions.decisions()} == set(units), "all decisions", 60
        )
        quiet = time.monotonic() + 3
        await workers.until(lambda: time.monotonic() > quiet)
    decided = decisions.decisions()
    assert Counter(d.unit_id for d in decided) == dict.fromkeys(units, 1)
    assert all(observed(d) == ids(d.unit_id) for d in decided)
    moved = [e for d in decided for e in d.evidence if e.partition != sender.home(d.unit_id)]
    assert len(moved) > 2 * len(units)  # five in six of 600


async def test_reads_every_compression_that_kafka_has(patient: Workers, topics: Topics) -> None:
    patient.start()
    await patient.ready()
    codecs = ("gzip", "snappy", "lz4", "zstd")
    async with TopicTail(patient.settings, topics.decisions) as decisions:
        for codec in codecs:
            with Sender(patient.settings, codec) as sender:
                for observation in observe(codec):
                    sender.observation(observation, encoding="json")
                await sender.flush()
        await patient.until(lambda: len(decisions.records) == len(codecs), "all decisions", 20)
    assert {d.unit_id: observed(d) for d in decisions.decisions()} == {c: ids(c) for c in codecs}


# -- life -----------------------------------------------------------------------------------


async def test_refuses_topics_that_units_could_not_meet_on(
    workers: Workers, settings: Settings
) -> None:
    odd = f"{settings.topic_prefix}units.text"
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    await admin.create_topics([NewTopic(odd, 3, 1)])
    await admin.close()
    await create_topics(settings)
    worker = workers.start()
    assert await worker.ended() == 1
    [line] = worker.log.splitlines()
    assert f"{odd} has 3, the others have 6" in line


async def test_refuses_to_start_without_topics(workers: Workers) -> None:
    worker = workers.start()
    assert await worker.ended() == 1
    [line] = worker.log.splitlines()
    assert "regrade topics create" in line


async def test_stops_in_time_and_goes_on_where_it_stopped(
    patient: Workers, topics: Topics, sender: Sender
) -> None:
    first = patient.start()
    await patient.ready()
    busy = [f"LT-{number}" for number in range(60)]
    async with TopicTail(patient.settings, topics.decisions) as decisions:
        for observation in observe("DONE"):
            sender.observation(observation)
        for observation in observe("HALF", SOME):
            sender.observation(observation)
        await patient.until(lambda: bool(decisions.of_unit("DONE")), "the first decision", 15)
        for unit in busy:
            for observation in observe(unit):
                sender.observation(observation)
        await sender.flush()
        told = time.monotonic()
        first.terminate()
        assert await first.ended() == 0, first.tail()
        assert time.monotonic() - told < patient.settings.shutdown_timeout
        assert "Traceback" not in first.log, first.tail(200)

        patient.start()
        await patient.ready()
        for observation in observe("HALF", REST):
            sender.observation(observation)
        wanted = {"DONE", "HALF", *busy}
        await patient.until(
            lambda: {d.unit_id for d in decisions.decisions()} == wanted, "all decisions", 30
        )
        quiet = time.monotonic() + 2
        await patient.until(lambda: time.monotonic() > quiet)
    decided = decisions.decisions()
    assert Counter(d.unit_id for d in decided) == dict.fromkeys(wanted, 1)
    assert all(observed(d) == ids(d.unit_id) for d in decided)


async def test_a_killed_worker_is_replaced_without_a_trace(
    patient: Workers, topics: Topics, sender: Sender
) -> None:
    first = patient.start()
    await patient.ready()
    async with TopicTail(patient.settings, topics.decisions) as decisions:
        for observation in observe("DONE"):
            sender.observation(observation)
        for observation in observe("HALF", SOME):
            sender.observation(observation)
        await patient.until(lambda: bool(decisions.of_unit("DONE")), "the first decision", 15)
        committed = time.monotonic() + 3 * patient.settings.commit_interval
        await patient.until(lambda: time.monotonic() > committed)
        first.kill()
        patient.start()
        for observation in observe("HALF", REST):
            sender.observation(observation)
        await patient.until(lambda: bool(decisions.of_unit("HALF")), "the other decision", 40)
        quiet = time.monotonic() + 2
        await patient.until(lambda: time.monotonic() > quiet)
    decided = decisions.decisions()
    assert Counter(d.unit_id for d in decided) == {"DONE": 1, "HALF": 1}
    assert all(observed(d) == ids(d.unit_id) for d in decided)
