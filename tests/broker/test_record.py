"""What `regrade record` writes is what lies on the topics, whatever kills it."""

import asyncio
import os
import random
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from confluent_kafka import TopicPartition as Deleted
from confluent_kafka.admin import AdminClient, NewPartitions
from support.kcat import Kcat
from support.null_workers import until

from schemas.headers import UNREADABLE
from schemas.record import Record
from stream.errors import MissingTopicError, RecordingError
from stream.kafka.connection import client_options
from stream.kafka.topics import Topics
from stream.replay import record
from stream.replay.record import BEGINNING, END, Place, Recorder
from stream.replay.recording import Recording
from stream.settings import PREFIX, Settings

KILLS = 20


async def send(settings: Settings, records: list[Record]) -> list[Record]:
    """Sends them; returns them with their offsets."""
    producer = AIOKafkaProducer(**client_options(settings))
    await producer.start()
    try:
        deliveries = [
            await producer.send(
                r.topic,
                r.value,
                r.key,
                partition=r.partition,
                timestamp_ms=r.timestamp,
                headers=list(r.headers),
            )
            for r in records
        ]
        offsets = [(await delivery).offset for delivery in deliveries]
    finally:
        await producer.stop()
    return [
        Record(r.topic, r.partition, offset, r.timestamp, r.key, r.value, r.headers)
        for r, offset in zip(records, offsets, strict=True)
    ]


def some(topics: Topics, count: int, first: int = 0) -> list[Record]:
    rng = random.Random(first)
    now = time.time_ns() // 1_000_000
    names = topics.observations[:3]
    return [
        Record(
            rng.choice(names),
            rng.randrange(4),
            -1,
            now - 100_000 + 10 * (first + at),
            rng.choice([None, b"", b"LT-%d" % (first + at)]),
            rng.randbytes(rng.randrange(3000)),
            (("trace", b"%d" % at), ("trace", b"again"), ("none", b"")),
        )
        for at in range(count)
    ]


def by_place(records: list[Record]) -> list[Record]:
    return sorted(records, key=lambda record: (record.tp, record.offset))


def size_of(path: Path) -> int:
    return sum(file.stat().st_size for file in path.glob("**/*.avro"))


def read(path: Path) -> list[Record]:
    recording = Recording(path)
    records = by_place(list(recording.records()))
    assert recording.damage == ()
    return records


async def test_byte_for_byte_until_the_present_end(
    settings: Settings, topics: Topics, tmp_path: Path
) -> None:
    sent = await send(settings, some(topics, 200))
    await Recorder(settings, tmp_path / "rec", until=END).run()
    assert read(tmp_path / "rec") == by_place(sent)
    assert Recording(tmp_path / "rec").topics == dict.fromkeys(topics.all, settings.partitions)
    # Going on where it ended finds what came since, and nothing twice.
    sent += await send(settings, some(topics, 100, first=200))
    await Recorder(settings, tmp_path / "rec", until=END, resume=True).run()
    assert read(tmp_path / "rec") == by_place(sent)


async def test_where_it_begins_and_ends(settings: Settings, topics: Topics, tmp_path: Path) -> None:
    sent = await send(settings, some(topics, 300))
    at = sent[100].timestamp
    topic = sent[0].topic
    places = {
        "time": (
            Place("time", at),
            Place("time", at + 500),
            lambda r: at <= r.timestamp < at + 500,
        ),
        "offset": (Place("offset", 3), Place("offset", 9), lambda r: 3 <= r.offset < 9),
        "all": (BEGINNING, END, lambda r: True),
    }
    for name, (start, end, wanted) in places.items():
        path = tmp_path / name
        # A partition with fewer records than up to that offset would be waited for.
        idle = 0.5 if name == "offset" else None
        recorder = Recorder(settings, path, topics=[topic], start=start, until=end, idle=idle)
        await asyncio.wait_for(recorder.run(), 20)
        assert read(path) == by_place([r for r in sent if r.topic == topic and wanted(r)]), name
    counted = Recorder(settings, tmp_path / "count", count=17)
    await asyncio.wait_for(counted.run(), 20)
    idle = Recorder(settings, tmp_path / "count", resume=True, idle=0.5)
    await asyncio.wait_for(idle.run(), 20)
    assert (counted.records.total(), idle.records.total()) == (17, 283)
    assert read(tmp_path / "count") == by_place(sent)


@pytest.mark.real_kafka
async def test_from_now_on(settings: Settings, topics: Topics, tmp_path: Path) -> None:
    await send(settings, some(topics, 50))
    recorder = Recorder(settings, tmp_path / "rec", start=END, count=30)
    recording = asyncio.create_task(recorder.run())
    await until(lambda: (tmp_path / "rec" / f"{topics.dead_letter}-0").exists())
    sent = await send(settings, some(topics, 30, first=50))
    await asyncio.wait_for(recording, 20)
    assert read(tmp_path / "rec") == by_place(sent)


@pytest.mark.real_kafka
async def test_partitions_that_are_added_are_recorded_from_their_beginning(
    settings: Settings, topics: Topics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "PARTITION_SECONDS", 0.3)
    topic, path = topics.observations[0], tmp_path / "rec"
    recorder = Recorder(settings, path, topics=[topic], start=END, count=60)
    recording = asyncio.create_task(recorder.run())
    await until(lambda: (path / f"{topic}-5").exists())
    admin = AdminClient({"bootstrap.servers": settings.bootstrap_servers})
    admin.create_partitions([NewPartitions(topic, 7)])[topic].result(20)
    sent = [r for r in some(topics, 300) if r.topic == topic][:30]
    sent += [replace(r, partition=6) for r in sent]
    sent = await send(settings, sent)
    await asyncio.wait_for(recording, 20)
    assert read(path) == by_place(sent)
    assert Recording(path).topics == {topic: 7}


@pytest.mark.real_kafka
async def test_what_was_deleted_before_it_was_recorded_is_told(
    settings: Settings, topics: Topics, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    topic, path = topics.observations[0], tmp_path / "rec"
    sent = await send(settings, [replace(r, topic=topic, partition=0) for r in some(topics, 9)])
    await Recorder(settings, path, topics=[topic], until=Place("offset", 4), idle=1).run()
    admin = AdminClient({"bootstrap.servers": settings.bootstrap_servers})
    admin.delete_records([Deleted(topic, 0, 7)])[Deleted(topic, 0)].result(20)
    await Recorder(settings, path, topics=[topic], until=END, resume=True).run()
    assert read(path) == [*sent[:4], *sent[7:]]
    assert f"{topic}[0] has no offsets 4 to 6 any more" in caplog.text


@pytest.mark.real_kafka
async def test_a_record_that_cannot_be_read_is_told_in_its_place(
    settings: Settings, topics: Topics, tmp_path: Path, kcat: Kcat
) -> None:
    topic = topics.observations[0]
    for header in (b"name=1", b"\xff\xfe=1", b"name=1"):
        kcat.send(settings, topic, b"{}", "-k", "x", "-p", "0", "-H", header)
    await asyncio.wait_for(Recorder(settings, tmp_path / "rec", until=END).run(), 20)
    records = read(tmp_path / "rec")
    assert [(r.offset, r.value) for r in records] == [(0, b"{}"), (1, None), (2, b"{}")]
    assert UNREADABLE in dict(records[1].headers)


@pytest.mark.real_kafka
async def test_who_gave_the_timestamp_and_what_is_null(
    settings: Settings, topics: Topics, tmp_path: Path
) -> None:
    now = time.time_ns() // 1_000_000
    for topic in (topics.features, topics.decisions):
        await send(settings, [Record(topic, 0, -1, now, b"x", None)])
    await asyncio.wait_for(Recorder(settings, tmp_path / "rec", until=END).run(), 20)
    found = {r.topic: (r.timestamp_type, r.key, r.value) for r in read(tmp_path / "rec")}
    assert found == {topics.features: (1, b"x", None), topics.decisions: (0, b"x", None)}


async def test_topics_that_are_not_there(settings: Settings, tmp_path: Path) -> None:
    for chosen in (None, [f"{settings.topic_prefix}units.sound"]):
        with pytest.raises(MissingTopicError, match="there is no topic"):
            await Recorder(settings, tmp_path / "rec", topics=chosen).run()
    assert not (tmp_path / "rec").exists()


async def test_a_recording_is_not_written_over(
    settings: Settings, topics: Topics, tmp_path: Path
) -> None:
    await Recorder(settings, tmp_path / "rec", until=END).run()
    with pytest.raises(RecordingError, match="--resume"):
        await Recorder(settings, tmp_path / "rec", until=END).run()


def command_of(settings: Settings, path: Path) -> tuple[list[str], dict[str, str]]:
    """A recorder of its own process, and its environment."""
    return [sys.executable, "-m", "stream.cli", "record", str(path), "--resume", "--file-mb=1"], {
        **os.environ,
        f"{PREFIX}BOOTSTRAP_SERVERS": settings.bootstrap_servers,
        f"{PREFIX}TOPIC_PREFIX": settings.topic_prefix,
    }


async def test_ctrl_c_is_how_it_ends(settings: Settings, topics: Topics, tmp_path: Path) -> None:
    sent = await send(settings, some(topics, 50))
    command, environment = command_of(settings, tmp_path / "rec")
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=PIPE)
    rec = tmp_path / "rec"
    folders = {rec / f"{r.topic}-{r.partition}" for r in sent}
    empty = rec / f"{topics.observations[0]}-5"
    await until(lambda: all(size_of(each) > size_of(empty) > 0 for each in folders))
    process.send_signal(signal.SIGINT)
    out, _ = await process.communicate()
    assert (process.returncode, out.startswith(b"50 records, ")) == (0, True)
    assert read(tmp_path / "rec") == by_place(sent)


async def test_killed_at_any_moment_and_resumed(
    settings: Settings, topics: Topics, tmp_path: Path
) -> None:
    """Every record once, in order, after 20 kills."""
    path, rng = tmp_path / "rec", random.Random(6)
    command, environment = command_of(settings, path)
    sent: list[Record] = []
    stop = asyncio.Event()

    async def keep_sending() -> None:
        while not stop.is_set():
            sent.extend(await send(settings, some(topics, 100, first=len(sent))))
            await asyncio.sleep(0.02)

    sending = asyncio.create_task(keep_sending())
    grown = 0
    for _ in range(KILLS):
        before = size_of(path)
        process = await asyncio.create_subprocess_exec(*command, env=environment, stderr=DEVNULL)
        if rng.random() < 0.8:  # the others die while they start
            await until(lambda before=before: size_of(path) > before)
        await asyncio.sleep(0.5 * rng.random())
        process.kill()
        assert await process.wait() == -signal.SIGKILL
        grown += size_of(path) > before
    stop.set()
    await sending
    assert grown > KILLS / 2
    await Recorder(settings, path, until=END, resume=True).run()
    assert read(path) == by_place(sent)
    assert len(list(path.glob("**/*.avro"))) > len(topics.all) * settings.partitions
