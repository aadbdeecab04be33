"""A shadow decides beside a live line and is killed; the line notices nothing of it."""

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiokafka.admin import AIOKafkaAdminClient
from support.load import Load
from support.sender import now_ms
from support.topic_tail import TopicTail
from support.worker_process import SHORT, WorkerProcess, Workers

from agents.decide.policy import Policy
from schemas.decision import Decision
from schemas.record import Record
from stream.configure import decide_steps, load_decider
from stream.kafka.connection import client_options
from stream.kafka.topics import Topics
from stream.replay.diff import Comparison, Pair, source_of
from stream.replay.diff.follow import Following
from stream.settings import Settings

DECIDE = ("decide",)
SHIPPED = Path(__file__).parents[2] / "agents/decide/policy/default.yaml"


@pytest.fixture
def line(settings: Settings, topics: Topics) -> Settings:
    return settings.model_copy(update=SHORT)


@pytest.fixture
def shadowed(line: Settings, tmp_path: Path) -> Settings:
    """A shadow of the line, with one entry of the policy's table changed."""
    table = yaml.safe_load(SHIPPED.read_text())
    table["options"]["resell"]["misrouting_cost"] = 150
    path = tmp_path / "other.yaml"
    path.write_text(yaml.safe_dump(table))
    return line.model_copy(update={"shadow": "dear", "policy_path": path})


@dataclass
class Told:
    """What following says of units: those that it last called different."""

    differing: set[str] = field(default_factory=set)

    def __call__(self, unit_id: str, pairs: Sequence[Pair]) -> None:
        (self.differing.add if pairs else self.differing.discard)(unit_id)


def offline(settings: Settings, features: Sequence[Any]) -> list[Decision]:
    """What a decide stage of these settings makes of what lay on the features topic."""
    decider = load_decider(settings)
    make = decide_steps(settings, settings.partitions, decider, decider.policy)
    decisions: list[Decision] = []
    for home in range(settings.partitions):
        records = [
            Record(r.topic, r.partition, r.offset, r.timestamp, r.key, r.value)
            for r in features
            if r.partition == home
        ]
        decisions += make(None).step(records, 0).decisions
    return decisions


def differing(a: Sequence[Decision], b: Sequence[Decision]) -> set[str]:
    comparison = Comparison(Policy.load())
    for side, decisions in enumerate((a, b)):
        for decision in decisions:
            comparison.add(side, decision)
    return {pair.either.unit_id for pair in comparison.report().worst}


async def names(settings: Settings) -> tuple[set[str], set[str]]:
    """The line's topics and consumer groups."""
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    try:
        topics = {t for t in await admin.list_topics() if t.startswith(settings.topic_prefix)}
        found = await admin.list_consumer_groups()
        return topics, {group[0] for group in found if group[0].startswith(settings.group)}
    finally:
        await admin.close()


def iso(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat()


def has_begun(worker: WorkerProcess) -> Callable[[], bool]:
    homes = worker.settings.partitions
    return lambda: all(f"Home partition {n} goes on" in worker.log for n in range(homes))


@pytest.mark.real_kafka
async def test_a_shadow_beside_a_live_line_under_kill_9(
    line: Settings, shadowed: Settings, tmp_path: Path
) -> None:
    of_line, of_shadow = Topics.of(line), Topics.of(shadowed)
    load, told = Load(units=80, rate=5.0, seed=5), Told()
    comparison = Comparison(Policy.load())
    (tmp_path / "shadow").mkdir()
    with Workers(line, tmp_path) as live, Workers(shadowed, tmp_path / "shadow") as shadow:
        (worker := live.start())
        await live.ready()
        generations = worker.log.count("Generation")
        before = await names(line)
        begun = ("--from", iso(now_ms()))
        await shadow.until(has_begun(shadow.start(DECIDE, begun)), "the shadow works")
        sources = [
            source_of(t, line, follow=True) for t in (of_line.decisions, of_shadow.decisions)
        ]
        following = Following(comparison, sources, told, patience=20)
        watching = asyncio.create_task(following.run())
        async with (
            TopicTail(line, of_line.features) as features,
            TopicTail(shadowed, of_shadow.decisions) as decided,
            TopicTail(line, of_line.decisions) as said,
        ):
            sending = asyncio.create_task(load.send([line]))
            for _ in range(2):
                await shadow.quiet(4)
                shadow.all[-1].kill()
                shadow.start(DECIDE, begun)
            await sending
            report = await load.audited(line, 60)
            await shadow.until(lambda: len(units(decided)) == load.units, "the shadow decides all")
            await shadow.until(lambda: not following.awaited, "both have come equally far")
            assert not watching.done()
            watching.cancel()
            assert worker.log.count("Generation") == generations
            after = await names(line)
            live_decisions, shadow_decisions = said.decisions(), decided.decisions()
            recorded = list(features.records)
        shadow.all[-1].terminate()
        assert await shadow.all[-1].ended() == 0
    assert report.ok, report
    assert report.repeats == report.late == report.dead_letters == 0
    assert after[0] - before[0] == set(of_shadow.decided)
    assert after[1] - before[1] == {f"{line.group}-decide-shadow-dear"}
    expected = differing(offline(line, recorded), offline(shadowed, recorded))
    assert 0 < len(expected) < load.units
    assert differing(live_decisions, shadow_decisions) == expected
    assert told.differing == expected


def units(tail: TopicTail) -> set[str]:
    return {decision.unit_id for decision in tail.decisions()}


@pytest.mark.real_kafka
async def test_a_shadow_of_a_span_that_is_over_ends_by_itself(
    line: Settings, shadowed: Settings, tmp_path: Path
) -> None:
    of_line, of_shadow = Topics.of(line), Topics.of(shadowed)
    load = Load(units=40, rate=4.0, seed=1)
    (tmp_path / "shadow").mkdir()
    with Workers(line, tmp_path) as live, Workers(shadowed, tmp_path / "shadow") as shadow:
        live.start()
        await live.ready()
        begin = load.plan.start_ms
        await load.send([line])
        await live.quiet(line.window + line.grace + 3)
        # Units that are on the line when the span begins, and when it ends, are not in it.
        since, until = begin + 3_000, begin + 8_000
        span = ("--from", iso(since), "--until", iso(until))
        assert await shadow.start(DECIDE, span).ended(within=60) == 0
    opened = [min(o.captured_at for o in p.observations) for p in load.plan.passages()]
    within = sum(since <= at < until for at in opened)
    assert 10 < within < 30
    names = [f"topic://{t.decisions}" for t in (of_line, of_shadow)]
    (found,) = await regrade_diff(line, *names, *span)
    assert (found["pairs"], found["only_a"], found["only_b"]) == (within, 0, 0)
    assert set(found["aspects"]) <= {"option", "confidence", "hold", "plan"}
    following = ("--follow", "--for", "5", "--patience", "1")
    *told, summary = await regrade_diff(line, *names, *span, *following)
    assert summary == found
    assert {each["unit_id"] for each in told} == {pair["unit_id"] for pair in found["worst"]}


async def regrade_diff(settings: Settings, *arguments: str) -> list[dict[str, Any]]:
    """Returns the lines of JSON that `regrade diff` prints."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "stream.cli", "diff", *arguments, "--json"),
        *("-b", settings.bootstrap_servers),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode in (0, 1)
    return [json.loads(line) for line in out.splitlines()]


async def test_only_the_decide_stage_has_a_shadow(line: Settings, tmp_path: Path) -> None:
    with Workers(line, tmp_path) as workers:
        for stages, arguments, said in (
            (DECIDE, ["--from", iso(now_ms())], "only a shadow begins or ends at a time"),
            (("extract",), ["--shadow", "x"], "a shadow decides and extracts nothing"),
            (("extract", "decide"), ["--shadow", "x"], "add --stage decide"),
            (DECIDE, ["--shadow", "a b"], "shadow"),
        ):
            worker = workers.start(stages, arguments)
            assert await worker.ended() == 1
            assert said in worker.log
