"""The broker is away for a while: nothing is lost, and the log says little."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.faults import FaultyLine, faulty_line
from support.kafka import KafkaCluster, KafkaNode

from stream.settings import Settings

pytestmark = pytest.mark.real_kafka
AWAY = 12.0
"""Seconds, twice the session timeout."""
PATIENT = {"window": 60.0, "grace": 10.0, "max_clock_skew": 60.0}


@pytest.fixture
def node(kafka_class_path: str, tmp_path: Path) -> Iterator[KafkaNode]:
    with KafkaCluster(kafka_class_path, tmp_path / "kafka") as cluster:
        yield cluster.nodes[0]


async def test_outages_lose_nothing_and_fill_no_log(
    node: KafkaNode, settings: Settings, tmp_path: Path
) -> None:
    line_settings = settings.model_copy(update={"bootstrap_servers": node.address})
    async with faulty_line(line_settings, tmp_path, **PATIENT) as line:
        frozen = await outage(line, "frozen", node.suspend, node.resume)
        killed = await outage(line, "killed", node.kill, node.start)
        found = Counter(decision.unit_id for decision in line.decisions.decisions())
        units = [f"{how}-{number}" for how in ("frozen", "killed") for number in range(60)]
        assert found == dict.fromkeys(units, 1)
        assert (line.late.records, line.dead.records) == ([], [])
        assert all(len(decision.evidence) == 6 for decision in line.decisions.decisions())
        log = line.worker.log
    print("\n".join([*frozen, "---", *killed]))
    # One line of ours when something begins to fail, one when it works again; the client library
    # says each of its things once a minute.
    for lines in (frozen, killed):
        assert len(lines) < 40, "\n".join(lines)
    assert "Traceback" not in log


async def outage(
    line: FaultyLine, name: str, away: Callable[[], None], back: Callable[[], None]
) -> list[str]:
    """Sends units before, during and after; returns what the worker logged meanwhile."""
    logged = len(line.worker.log)
    units = [f"{name}-{number}" for number in range(60)]
    for unit in units[:20]:
        line.send(unit)
    away()
    for unit in units[20:40]:
        line.send(unit)
    await asyncio.sleep(AWAY)
    back()
    for unit in units[40:]:
        line.send(unit)

    def decided() -> bool:
        return {d.unit_id for d in line.decisions.decisions()} >= set(units)

    await line.workers.until(decided, "all units decided", 60)
    return line.worker.log[logged:].splitlines()
