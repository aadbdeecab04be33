"""The commands that need a broker, as from a shell."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.codec import decode
from schemas.modality import Modality
from stream.kafka.connection import client_options
from stream.kafka.partitioner import home_partition
from stream.kafka.tail import read_to_end
from stream.kafka.topics import Topics
from stream.settings import Settings

REGRADE = [sys.executable, "-m", "stream.cli"]
Regrade = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def environment(settings: Settings) -> dict[str, str]:
    """The line of `settings`, in variables."""
    names = ("bootstrap_servers", "topic_prefix", "group", "datadir", "session_timeout")
    given = {f"REGRADE_{name.upper()}": str(getattr(settings, name)) for name in names}
    quick = {"REGRADE_WINDOW": "6", "REGRADE_GRACE": "2", "REGRADE_IDLE_TIMEOUT": "1"}
    return os.environ | given | quick


@pytest.fixture
def regrade(environment: dict[str, str]) -> Regrade:
    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*REGRADE, *arguments], env=environment, capture_output=True, text=True, timeout=60
        )

    return run


async def records(settings: Settings, topic: str) -> list[Any]:
    consumer = AIOKafkaConsumer(**client_options(settings), auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(settings.partitions)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        return [record async for record in read_to_end(consumer, partitions)]
    finally:
        await consumer.stop()


def test_topics_are_checked_created_and_left_alone(regrade: Regrade, settings: Settings) -> None:
    missing = regrade("topics", "check", "--json")
    assert missing.returncode == 1
    assert json.loads(missing.stdout)["ok"] is False
    assert "`regrade topics create` makes what is missing" in missing.stderr

    created = json.loads(regrade("topics", "create", "--json").stdout)
    assert set(created["created"]) == set(Topics.of(settings).all)
    again = regrade("topics", "create")
    assert (again.returncode, again.stderr) == (0, "")
    assert "0 topics created, 10 were there already" in again.stdout

    checked = regrade("topics", "check")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert Topics.of(settings).decisions in checked.stdout


def test_files_become_a_decision(
    regrade: Regrade, environment: dict[str, str], settings: Settings, tmp_path: Path
) -> None:
    """publish -> worker -> decisions: two files of one unit, one decision on both."""
    assert regrade("topics", "create").returncode == 0
    note, cycles = tmp_path / "note.txt", tmp_path / "cycles.csv"
    note.write_text("fan rattles, lid ok")
    rows = "".join(f"{10 * n},{4.2 - n / 50:.3f},{0.05 + n / 900:.4f}\n" for n in range(40))
    cycles.write_text(f"cycle,capacity_ah,internal_resistance_ohm\n{rows}")
    now = str(time.time_ns() // 1_000_000)
    for file, name in ((note, "text"), (cycles, "battery")):
        sent = regrade(
            "publish", "LT-000017", str(file), "--captured-at", now, "--source", "desk-9", "--json"
        )
        assert sent.returncode == 0, sent.stderr
        receipt = json.loads(sent.stdout)
        assert receipt["modality"] == name
        assert receipt["topic"] == f"{settings.topic_prefix}units.{name}"
        assert receipt["partition"] == home_partition("LT-000017", settings.partitions)

    reading = [*REGRADE, "decisions", "--group", "mes", "--json"]
    with (
        (tmp_path / "worker.log").open("wb") as log,
        subprocess.Popen([*REGRADE, "worker"], env=environment, stdout=log, stderr=log) as worker,
        subprocess.Popen(reading, env=environment, stdout=subprocess.PIPE, text=True) as reader,
    ):
        try:
            assert reader.stdout is not None
            decision = json.loads(reader.stdout.readline())
        finally:
            reader.send_signal(signal.SIGINT)
            worker.terminate()
    codes = reader.returncode, worker.returncode
    assert codes == (0, 0), (tmp_path / "worker.log").read_text()[-2000:]
    assert decision["unit_id"] == "LT-000017"
    assert {e["modality"] for e in decision["evidence"]} == {"text", "battery"}
    assert {e["source"] for e in decision["evidence"]} == {"desk-9"}
    assert set(decision["missing"]) == {"visual", "spectral", "thermal", "acoustic"}

    whole = regrade("decisions", "--from-beginning", "--no-follow", "--json")
    assert [json.loads(line) for line in whole.stdout.splitlines()] == [decision]
    other = regrade("decisions", "--no-follow", "--unit", "LT-000018")
    assert (other.returncode, other.stdout) == (0, "")
    line = regrade("decisions", "--no-follow").stdout
    assert f"-> {decision['routing']['option']}: grade" in line
    assert "without visual, spectral, thermal, acoustic" in line


def test_stations_are_simulated(regrade: Regrade, settings: Settings, topics: Topics) -> None:
    done = regrade(
        *("simulate", "--units", "12", "--rate", "100", "--span", "0.5", "--max-delay", "0.2"),
        *("--foreign-keys", "0.5", "--damaged", "4", "--late", "2", "--seed", "5", "--json"),
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["records"] == figures["of"] == figures["observations"] + 4 + 2
    found = [(t, r) for t in topics.observations for r in asyncio.run(records(settings, t))]
    assert len(found) == figures["records"]
    misplaced = 0
    for topic, record in found:
        if record.key.startswith(b"BAD"):
            continue
        modality = topics.modality_of(topic)
        assert modality in Modality
        observation = decode(record.value, modality)
        home = home_partition(observation.unit_id, settings.partitions)
        foreign = observation.source in figures["foreign_stations"]
        misplaced += record.partition != home
        assert foreign or record.partition == home
    assert misplaced > 0


def test_a_simulation_stops_at_an_interruption(environment: dict[str, str], topics: Topics) -> None:
    process = subprocess.Popen(
        [*REGRADE, "simulate", "--units", "500", "--rate", "5"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "then it was stopped" in out
    assert "Traceback" not in errors
