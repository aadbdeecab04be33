"""What the line produced is recorded, replayed into a cluster and without one, and comes out."""

import asyncio
import json
import os
import pty
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from support.load import Load
from support.worker_process import SHORT, Workers, environment

from agents.decide.policy import Policy
from schemas.codec import decode, encode
from schemas.decision import Decision
from schemas.modality import Modality
from schemas.observation import Observation, Text
from schemas.record import Record
from stream.errors import RecordingError, TopicError
from stream.kafka.topics import Topics, check_topics, create_topics
from stream.replay.diff import Comparison, Report
from stream.replay.offline import replay_offline
from stream.replay.player import Player
from stream.replay.record import END, Recorder
from stream.replay.recording import Recording, RecordingWriter
from stream.replay.replay import Plan, Replay
from stream.settings import Settings

T0 = 1_790_000_000_000
OWN_TIMES = ("decided_at", "valid_until")


async def recorded(settings: Settings, path: Path) -> Path:
    await Recorder(settings, path, until=END).run()
    return path


def decisions(path: Path, topics: Topics) -> list[Decision]:
    records = Recording(path).records([topics.decisions])
    return [Decision.model_validate_json(record.value or b"") for record in records]


def files_of(path: Path, topics: Topics) -> dict[str, bytes]:
    files = path.glob(f"{topics.decisions}-*/*.avro")
    return {f"{file.parent.name}/{file.name}": file.read_bytes() for file in files}


def compared(a: Sequence[Decision], b: Sequence[Decision]) -> Report:
    comparison = Comparison(Policy.load(None), tolerance=0.0)
    for decision in a:
        comparison.add(0, decision)
    for decision in b:
        comparison.add(1, decision)
    return comparison.report()


def without_own_times(decision: Decision) -> str:
    return decision.model_dump_json(exclude=set(OWN_TIMES))


async def test_a_line_decides_the_same_again_in_a_cluster_and_without_one(
    settings: Settings, topics: Topics, tmp_path: Path
) -> None:
    settings = settings.model_copy(update=SHORT)
    load = Load(units=60, rate=20.0, seed=7)
    with Workers(settings, tmp_path) as workers:
        workers.start()
        await workers.ready()
        await load.send([settings])
        assert (await load.audited(settings, within=60)).ok
        workers.all[0].terminate()
        await workers.all[0].ended()
    live = await recorded(settings, tmp_path / "live")
    lived = decisions(live, topics)

    for source in ("features", "raw"):
        out = tmp_path / source
        done = replay_offline(settings, live, out, source=source)
        assert done.damage == ()
        assert compared(lived, decisions(out, topics)).same, source
    assert files_of(tmp_path / "raw", topics) == files_of(tmp_path / "features", topics) != {}
    # To the byte, all revisions of them.
    again_said = map(without_own_times, decisions(tmp_path / "features", topics))
    assert sorted(again_said) == sorted(map(without_own_times, lived))

    again = settings.model_copy(
        update={"topic_prefix": f"{settings.topic_prefix}again.", "group": f"{settings.group}-2"}
    )
    replay = Replay(again, live, Plan(), Player(None))
    with Workers(again, tmp_path / "again") as workers:
        (tmp_path / "again").mkdir()
        await create_topics(
            again, {replay.target(t): n for t, n in replay.recording.topics.items()}
        )
        workers.start()
        await workers.ready()
        await replay.run()
        assert replay.sent.records.total() == sum(
            1 for _ in replay.recording.records(replay.chosen)
        )
        assert (await load.audited(again, within=60)).ok
    second = await recorded(again, tmp_path / "second")
    assert compared(lived, decisions(second, Topics.of(again))).same


# -- into a cluster, record by record ---------------------------------------------------------

VISUAL, TEXT = "units.visual", "units.text"


def by_hand() -> list[Record]:
    """What people send: no key, no value, neither, headers of one name, times that go back."""
    more = (("a", b"1"), ("a", None), ("", b""))
    return [
        Record(VISUAL, 0, 0, T0, b"LT-1", b"one", more),
        Record(VISUAL, 2, 0, T0 + 5, None, b"two"),
        Record(TEXT, 1, 0, T0 + 1, b"LT-2", None),
        Record(TEXT, 1, 3, T0 + 9, None, None, more),
        Record(TEXT, 1, 4, T0 + 7, b"LT-2", b""),
        Record(TEXT, 0, 7, T0 + 2, b"LT-1", b"\x00" * 300_000),
    ]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small"
    with RecordingWriter(path, partitions={VISUAL: 3, TEXT: 2, "units.thermal": 4}) as writer:
        for record in by_hand():
            writer.write(record)
    return path


async def replayed(settings: Settings, path: Path, plan: Plan) -> Replay:
    replay = Replay(settings, path, plan, Player(None))
    await replay.run()
    return replay


async def lying_on(settings: Settings, *topics: str) -> list[Record]:
    """Returns the records of topics, the prefix taken off, in the order of the partitions."""
    path = settings.datadir / uuid.uuid4().hex
    names = [f"{settings.topic_prefix}{name}" for name in topics]
    await Recorder(settings, path, topics=names, until=END).run()
    found = sorted(Recording(path).records(), key=lambda r: (*r.tp, r.offset))
    return [replace(r, topic=r.topic.removeprefix(settings.topic_prefix)) for r in found]


def said(record: Record) -> tuple[object, ...]:
    headers = tuple(tuple(each) for each in record.headers)
    return record.topic, record.partition, record.timestamp, record.key, record.value, headers


@pytest.fixture
def bare(settings: Settings, tmp_path: Path) -> Settings:
    """A prefix without any topic yet."""
    return settings.model_copy(
        update={"topic_prefix": f"{settings.topic_prefix}bare.", "datadir": tmp_path / "seen"}
    )


async def test_it_is_byte_for_byte_in_the_recorded_partitions(bare: Settings, small: Path) -> None:
    replay = await replayed(bare, small, Plan())
    assert replay.sent.records.total() == 6
    found = await lying_on(bare, VISUAL, TEXT, "units.thermal")
    expected = sorted(by_hand(), key=lambda r: (*r.tp, r.offset))
    assert list(map(said, found)) == list(map(said, expected))
    assert (await check_counts(bare)) == {VISUAL: 3, TEXT: 2, "units.thermal": 4}


async def check_counts(settings: Settings) -> dict[str, int]:
    report = await check_topics(settings)
    prefix = settings.topic_prefix
    return {s.name.removeprefix(prefix): s.partitions for s in report.topics if s.partitions}


async def test_into_topics_of_others_only_for_those_who_know(bare: Settings, small: Path) -> None:
    await replayed(bare, small, Plan(topics=[VISUAL]))
    with pytest.raises(TopicError, match=r"bare\.units\.visual has been written to by others"):
        await replayed(bare, small, Plan())
    assert await lying_on(bare, TEXT) == []
    await replayed(bare, small, Plan(i_know=True))
    assert len(await lying_on(bare, VISUAL, TEXT)) == 8


async def test_some_units_under_other_names_with_their_origin(bare: Settings, small: Path) -> None:
    copies = f"{bare.topic_prefix}copies"
    plan = Plan(units=["LT-[1]"], remap={VISUAL: copies}, replay_of=True)
    replay = await replayed(bare, small, plan)
    assert replay.sent.records == {copies: 2, f"{bare.topic_prefix}{TEXT}": 2}
    found = await lying_on(bare, "copies", TEXT)
    origins = [dict(record.headers)["regrade.replay-of"] for record in found]
    assert origins == [
        b"units.visual/0/0",
        b"units.visual/2/0",
        b"units.text/0/7",
        b"units.text/1/3",
    ]


async def test_fewer_partitions_take_keys_only(bare: Settings, small: Path) -> None:
    await create_topics(bare, {f"{bare.topic_prefix}{VISUAL}": 1})
    with pytest.raises(TopicError, match=r"has 1 partitions, the recording 3; .*--rekey"):
        await replayed(bare, small, Plan())
    await replayed(bare, small, Plan(rekey=True))
    assert [record.partition for record in await lying_on(bare, VISUAL)] == [0, 0]


async def test_what_is_shifted_ends_now_when_it_is_fast(bare: Settings, tmp_path: Path) -> None:
    path = tmp_path / "notes"
    with RecordingWriter(path, partitions={TEXT: 1}) as writer:
        for n in range(3):
            at = T0 + 10_000 * n
            note = Observation(f"LT-{n}", "n", at - 500, "desk-1", Text("scratched", "en"))
            writer.write(Record(TEXT, 0, n, at, None, encode(note)))
    began = time.time_ns() // 1_000_000
    await replayed(bare, path, Plan(shift_to_now=True))
    found = await lying_on(bare, TEXT)
    assert 0 <= found[-1].timestamp - began < 20_000
    assert [b.timestamp - a.timestamp for a, b in pairwise(found)] == [10_000, 10_000]
    for record in found:
        assert decode(record.value, Modality.TEXT).captured_at == record.timestamp - 500


async def test_a_recording_without_such_topics_is_refused(bare: Settings, small: Path) -> None:
    for plan in (Plan(topics=["units.sound"]), Plan(remap={"units.sound": "x"})):
        with pytest.raises(RecordingError, match=r"has no units\.sound; it has units\.text"):
            Replay(bare, small, plan, Player())


async def test_keys_step_through_it_and_end_it(bare: Settings, small: Path) -> None:
    """As somebody at a terminal does."""
    counts = {VISUAL: 3, TEXT: 2}
    await create_topics(bare, {f"{bare.topic_prefix}{name}": n for name, n in counts.items()})
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "stream.cli", "replay", str(small), "--start-paused", "--json"]
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(bare),
    )
    assert process.stderr is not None
    assert b"space: pause or go on" in await process.stderr.readline()
    os.write(ours, b"n")
    os.write(ours, b"n")
    for _ in range(100):
        if len(await lying_on(bare, VISUAL, TEXT)) == 2:
            break
        await asyncio.sleep(0.2)
    os.write(ours, b"q")
    out, err = await process.communicate()
    os.close(ours)
    os.close(theirs)
    assert process.returncode == 0, err
    assert sum(json.loads(out)["records"].values()) == 2
    assert len(await lying_on(bare, VISUAL, TEXT)) == 2
