"""What a line decided is a function of its features topic: each home partition is replayed."""

import json
from pathlib import Path
from typing import Any

from support.load import Load
from support.topic_tail import TopicTail
from support.worker_process import SHORT, Workers

from agents.decide.step import DecideStep
from agents.frontier import Frontier
from schemas.record import Outgoing, Record
from stream.configure import decide_steps, load_decider
from stream.kafka.topics import Topics
from stream.settings import Settings

OWN_TIMES = ("decided_at", "valid_until")
BATCH = 37
RESTARTS = 3


def without_own_times(value: bytes | None) -> str:
    decision = json.loads(value or b"{}")
    return json.dumps({name: said for name, said in decision.items() if name not in OWN_TIMES})


async def test_a_home_replayed_in_other_batches_and_with_restarts_says_the_same(
    settings: Settings, topics: Topics, tmp_path: Path
) -> None:
    settings = settings.model_copy(update=SHORT | {"provisional_after": 3.0})
    load = Load(units=40, rate=10.0, seed=5)
    with Workers(settings, tmp_path) as workers:
        workers.start()
        await workers.ready()
        async with (
            TopicTail(settings, topics.features) as features,
            TopicTail(settings, topics.decisions) as decisions,
        ):
            await load.send([settings])
            await workers.until(lambda: all_final(load, decisions), "every unit decided", 60)
            # A second run of marks behind the last decision, so that all is retired.
            count = len(features.records)
            await workers.until(lambda: len(features.records) > count + 100, "more marks", 60)
            recorded, said = list(features.records), list(decisions.records)
    decider = load_decider(settings)
    homes = 1 + max(record.partition for record in recorded)
    make = decide_steps(settings, homes, decider, decider.policy)
    replayed: dict[int, list[str]] = {}
    for home in range(homes):
        records = [_record(r) for r in recorded if r.partition == home]
        replayed[home] = [without_own_times(o.value) for o in _replay(make, records, topics)]
    for home in range(homes):
        lived = [without_own_times(r.value) for r in said if r.partition == home]
        assert replayed[home] == lived
    statuses = {json.loads(text)["status"] for texts in replayed.values() for text in texts}
    assert "provisional" in statuses  # or this would prove less than it says


def all_final(load: Load, decisions: TopicTail) -> bool:
    final = {d.unit_id for d in decisions.decisions() if d.status != "provisional"}
    return len(final) == load.units


def _record(found: Any) -> Record:
    return Record(
        found.topic, found.partition, found.offset, found.timestamp, found.key, found.value
    )


def _replay(make: Any, records: list[Record], topics: Topics) -> list[Outgoing]:
    """Decides a home in batches of `BATCH`, restarted now and then as a worker would be."""
    said: list[Outgoing] = []
    decided: list[Any] = []
    step: DecideStep = make(None)
    frontier = Frontier(0)
    restart_at = {len(records) * (n + 1) // (RESTARTS + 1) // BATCH for n in range(RESTARTS)}
    at, batches = 0, 0
    while at < len(records):
        batch = records[at : at + BATCH]
        frontier.deliver(record.offset for record in batch)
        effects = step.step(batch, now=0)
        said += [each for each in effects.outgoing if each.topic == topics.decisions]
        decided += effects.decisions
        frontier.finish(effects.finished)
        at, batches = at + len(batch), batches + 1
        if batches in restart_at:
            restart_at.remove(batches)
            first = frontier.committable() or 0
            start = step.starting_point(first)
            step, frontier = make(start), Frontier(first)
            if start is not None:
                for record in records:
                    if start.oldest_mark <= record.offset < first:
                        step.restore_mark(record)
            for decision in decided:
                step.restore(decision)
            at = next(i for i, record in enumerate(records) if record.offset >= first)
    return said
