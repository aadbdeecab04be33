"""What the line produced is recorded, replayed into a cluster and without one, and comes out."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from support.load import Load
from support.worker_process import SHORT, Workers

from agents.decide.policy import Policy
from schemas.decision import Decision
from schemas.record import Record
from stream.errors import RecordingError, TopicError
from stream.kafka.topics import Topics, create_topics
from stream.replay.diff import Comparison, Report
from stream.replay.offline import replay_offline
from stream.replay.player import Player
from stream.replay.record import END, Recorder
from stream.replay.recording import Recording, RecordingWriter
from stream.replay.replay import Plan, Replay
from stream.settings import Settings

T0 = 1_790_000_000_000
PRODUCED = ("decided_at", "valid_until")


async def recorded(settings: Settings, path: Path) -> Path:
    await Recorder(settings, path, until=END).run()
    return path


def decisions(path: Path, topics: Topics) -> list[Decision]:
    records = Recording(path).records([topics.decisions])
    return [Decision.model_validate_json(record.value or b"") for record in records]


def compared(a: Sequence[Decision], b: Sequence[Decision]) -> Report:
    comparison = Comparison(Policy.load(None), tolerance=0.0)
    for decision in a:
        comparison.add(0, decision)
    for decision in b:
        comparison.add(1, decision)
    return comparison.report()


def without_own_times(decision: Decision) -> str:
    return decision.model_dump_json(exclude=set(PRODUCED))


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
    of_home: dict[int, list[list[str]]] = {}
    for side, path in enumerate((live, tmp_path / "features")):
        for record in Recording(path).records([topics.decisions]):
            said = Decision.model_validate_json(record.value or b"")
            of_home.setdefault(record.partition, [[], []])[side].append(without_own_times(said))
    for home, (then, now) in of_home.items():
        assert then == now, f"home partition {home}"

    again = settings.model_copy(
        update={"topic_prefix": f"{settings.topic_prefix}again.", "group": f"{settings.group}-2"}
    )
    replay = Replay(again, live, Plan(), Player(None))
    with Workers(again, tmp_path / "again") as workers:
        (tmp_path / "again").mkdir()
        await create_topics(again, {replay.target(t): n for t, n in replay.recording.topics.items()})
        workers.start()
        await workers.ready()
        await replay.run()
        assert replay.sent.records.total() == sum(1 for _ in replay.recording.records(replay.chosen))
        assert (await load.audited(again, within=60)).ok
    second = await recorded(again, tmp_path / "second")
    assert compared(lived, decisions(second, Topics.of(again))).same
