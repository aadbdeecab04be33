"""The worker as a process on a broker, from a station's record to the MES's decision."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from support.sender import ANY, Sender, now_ms, observe
from support.topic_tail import TopicTail
from support.worker_process import SHORT, Workers

from schemas.codec import encode
from schemas.decision import Decision
from schemas.feature_record import decode_feature_record
from schemas.modality import MODALITIES, Modality
from schemas.observation import Observation
from stream.kafka.connection import client_options
from stream.kafka.partitioner import home_partition
from stream.kafka.topics import Topics, check_topics, create_topics
from stream.settings import Settings

SOME = (Modality.VISUAL, Modality.TEXT)
REST = tuple(m for m in MODALITIES if m not in SOME)
PATIENT = SHORT | {"window": 30.0, "grace": 10.0, "max_clock_skew": 30.0}
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
        await workers.quiet(workers.settings.grace + 2)
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
    workers.start(window=3.0, grace=20.0, max_clock_skew=3.0)
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


async def test_what_comes_after_retirement_is_kept_aside(
    workers: Workers, topics: Topics, sender: Sender
) -> None:
    workers.start()
    await workers.ready()
    async with (
        TopicTail(workers.settings, topics.late) as late,
        TopicTail(workers.settings, topics.decisions) as decisions,
    ):
        # Event time is what stations say: once one unit is decided, the line knows how late it is.
        for observation in observe("LT-2", SOME):
            sender.observation(observation)
        await workers.until(lambda: bool(decisions.records), "a decision", 30)
        [overdue] = observe("LT-1", (Modality.TEXT,), now_ms() - 120_000)
        for _ in range(2):  # what a station sends twice is late twice, at two places
            sender.observation(overdue, partition=3)
        await workers.until(lambda: len(late.records) == 2, "the late observation", 20)
        for observation in observe("LT-3"):  # and none the worse for it
            sender.observation(observation)
        await workers.until(lambda: bool(decisions.of_unit("LT-3")), "a decision", 15)
    assert {d.unit_id for d in decisions.decisions()} == {"LT-2", "LT-3"}
    for offset, record in enumerate(late.records):
        feature = decode_feature_record(record.value)
        told = (feature.unit_id, feature.observation_id, feature.captured_at)
        assert told == ("LT-1", "LT-1-text", overdue.captured_at)
        assert feature.origin == (topics.observation(Modality.TEXT), 3, offset)
        assert record.key == b"LT-1"
        origin = "/".join(map(str, feature.origin))
        assert dict(record.headers)["regrade.origin"] == origin.encode()


# -- any partitions, any partitioner ----------------------------------------------------------

COUNTS = dict(zip(MODALITIES, (6, 3, 1, 4, 2, 2), strict=True))
MORE = {Modality.TEXT: 3, Modality.BATTERY: 5}


async def make_inputs(settings: Settings, topics: Topics) -> None:
    """Topics of observations with a count of partitions each, then the others."""
    async with admin_of(settings) as admin:
        new = [NewTopic(topics.observation(m), count, 1) for m, count in COUNTS.items()]
        await admin.create_topics(new)
    await create_topics(settings)


@contextlib.asynccontextmanager
async def admin_of(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def until_shown(settings: Settings, topics: Topics) -> None:
    """Wait until the broker tells of the partitions that have been added."""
    wanted = {topics.observation(m): count for m, count in MORE.items()}
    async with asyncio.timeout(10):
        while True:
            found = {s.name: s.partitions for s in (await check_topics(settings)).topics}
            if wanted.items() <= found.items():
                return
            await asyncio.sleep(0.1)


def send_somehow(
    sender: Sender, observation: Observation, number: int, counts: dict[Modality, int] = COUNTS
) -> None:
    """As five kinds of clients would: Java's, librdkafka's, Sarama's, without a key, by hand."""
    count, key = counts[observation.modality], observation.unit_id.encode()
    partition, key = [
        (home_partition(observation.unit_id, count), key),
        (ANY, key),
        (fnv1a(key) % count, key),
        (ANY, None),
        (number % count, b"some-pallet"),
    ][number % 5]
    topic = sender.topics.observation(observation.modality)
    sender.record(topic, encode(observation), key, partition)


def fnv1a(key: bytes) -> int:
    """Sarama's hash (32 bits)."""
    found = 0x811C9DC5
    for byte in key:
        found = (found ^ byte) * 0x01000193 % 2**32
    return found


async def test_units_meet_whatever_partitions_their_stations_write_to(
    workers: Workers, settings: Settings, sender: Sender
) -> None:
    """A backlog, as it was written while no worker ran."""
    topics = Topics.of(settings)
    await make_inputs(settings, topics)
    units = [f"LT-{number}" for number in range(200)]
    began = now_ms() - 300_000
    for number, unit in enumerate(units):
        for step, observation in enumerate(observe(unit)):
            at = began + 50 * number + 400 * step
            send_somehow(sender, replace(observation, captured_at=at), number + step)
    await sender.flush()
    workers.start()
    async with TopicTail(workers.settings, topics.decisions) as decisions:
        await workers.until(
            lambda: {d.unit_id for d in decisions.decisions()} == set(units), "all decisions", 60
        )
        await workers.quiet(3)
    decided = decisions.decisions()
    assert Counter(d.unit_id for d in decided) == dict.fromkeys(units, 1)
    assert all(observed(d) == ids(d.unit_id) for d in decided)
    lay = {(e.modality, e.partition) for d in decided for e in d.evidence}
    assert lay == {(m, number) for m, count in COUNTS.items() for number in range(count)}
    assert all(r.partition == sender.home(r.key.decode()) for r in decisions.records)


@pytest.mark.real_kafka
async def test_partitions_that_are_added_are_read(
    patient: Workers, settings: Settings, sender: Sender
) -> None:
    topics = Topics.of(settings)
    await make_inputs(settings, topics)
    patient.start()
    await patient.ready()
    async with TopicTail(patient.settings, topics.decisions) as decisions:
        for number, observation in enumerate(observe("BEFORE")):
            send_somehow(sender, observation, number)
        await patient.until(lambda: bool(decisions.of_unit("BEFORE")), "the first decision", 15)
        async with admin_of(settings) as admin:
            new = {topics.observation(m): NewPartitions(count) for m, count in MORE.items()}
            await admin.create_partitions(new)
        await until_shown(settings, topics)
        units = [f"LT-{number}" for number in range(20)]
        with Sender(settings) as later:  # a client that knows of them
            for unit in units:
                for observation in observe(unit):
                    # Where partitions have been added, to the last of them.
                    partition = (COUNTS | MORE)[observation.modality] - 1
                    later.observation(observation, partition=partition)
            await later.flush()
        await patient.until(
            lambda: {d.unit_id for d in decisions.decisions()} >= set(units), "all decisions", 45
        )
        await patient.quiet(3)
        await patient.ready()
    decided = decisions.decisions()
    assert Counter(d.unit_id for d in decided) == dict.fromkeys([*units, "BEFORE"], 1)
    assert all(observed(d) == ids(d.unit_id) for d in decided)


async def test_each_stage_may_have_processes_of_its_own(
    patient: Workers, topics: Topics, sender: Sender
) -> None:
    patient.start(["extract"])
    patient.start(["extract"])
    decide = patient.start(["decide"])
    await patient.ready()
    assert not decide.work.inputs
    async with TopicTail(patient.settings, topics.decisions) as decisions:
        units = [f"LT-{number}" for number in range(20)]
        for unit in units:
            for observation in observe(unit):
                sender.observation(observation)
        await patient.until(lambda: len(decisions.records) == len(units), "all decisions", 20)
    assert all(observed(d) == ids(d.unit_id) for d in decisions.decisions())


# -- encodings --------------------------------------------------------------------------------


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
    topics = Topics.of(settings)
    async with admin_of(settings) as admin:
        await admin.create_topics([NewTopic(topics.features, 3, 1)])
    await create_topics(settings)
    worker = workers.start()
    assert await worker.ended() == 1
    [line] = worker.log.splitlines()
    assert f"{topics.features} has 3 and {topics.decisions} has 6" in line


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
        await patient.quiet(2)
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
        await patient.quiet(3 * patient.settings.commit_interval)  # so that it is committed
        first.kill()
        patient.start()
        for observation in observe("HALF", REST):
            sender.observation(observation)
        await patient.until(lambda: bool(decisions.of_unit("HALF")), "the other decision", 40)
        await patient.quiet(2)
    decided = decisions.decisions()
    assert Counter(d.unit_id for d in decided) == {"DONE": 1, "HALF": 1}
    assert all(observed(d) == ids(d.unit_id) for d in decided)
