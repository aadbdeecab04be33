"""The layer between Faust and the stages, with stages that only pass records on."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from support.null_workers import NullWorkers, Output, make_topics, send, until

from stream.settings import Settings

FAILS_WITHIN = 10.0
HOMES = 6


@pytest.fixture
def line(settings: Settings) -> str:
    return settings.topic_prefix


def extract(line: str, topics: list[str], **more: Any) -> dict[str, Any]:
    inputs = [line + topic for topic in topics]
    return {"name": "extract", "inputs": inputs, "output": f"{line}out", "partitions": HOMES} | more


async def test_every_record_once_and_in_order_whatever_the_partition_counts(
    settings: Settings, line: str, tmp_path: Path
) -> None:
    bootstrap, counts = settings.bootstrap_servers, {"a": 3, "b": 1, "c": 4}
    await make_topics(bootstrap, {line + name: n for name, n in counts.items()} | {f"{line}out": 6})
    with NullWorkers(settings, tmp_path, [extract(line, list(counts))]) as workers:
        workers.start()
        async with Output(bootstrap, f"{line}out", HOMES) as output:
            for _ in range(3):
                for name in counts:
                    await send(bootstrap, line + name, [b"x" * 200] * 200)
            await output.has(1800)
            assert_once_in_order(output)


@pytest.mark.real_kafka
async def test_partitions_that_are_added_are_read(
    settings: Settings, line: str, tmp_path: Path
) -> None:
    bootstrap = settings.bootstrap_servers
    await make_topics(bootstrap, {f"{line}a": 1, f"{line}out": HOMES})
    with NullWorkers(settings, tmp_path, [extract(line, ["a"])]) as workers:
        workers.start()
        async with Output(bootstrap, f"{line}out", HOMES) as output:
            await send(bootstrap, f"{line}a", [b"x"] * 100)
            await output.has(100)
            admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
            await admin.start()
            await admin.create_partitions({f"{line}a": NewPartitions(3)})
            await admin.close()
            await asyncio.sleep(0.5)  # until the metadata shows them
            for partition in range(3):
                await send(bootstrap, f"{line}a", [b"x"] * 100, partition=partition)
            await output.has(400)
            assert_once_in_order(output)


@pytest.mark.real_kafka
async def test_what_stays_with_its_worker_is_neither_read_again_nor_lost(
    settings: Settings, line: str, tmp_path: Path
) -> None:
    bootstrap = settings.bootstrap_servers
    await make_topics(bootstrap, {f"{line}a": HOMES, f"{line}out": HOMES})
    stages = [extract(line, ["a"], keep=True)]
    with NullWorkers(settings, tmp_path, stages) as workers:
        async with Output(bootstrap, f"{line}out", HOMES) as output:
            sender = asyncio.create_task(send_until_cancelled(bootstrap, f"{line}a"))
            one, two, three = (workers.start() for _ in range(3))
            await workers.share([one, two, three], HOMES)
            owned = {w.pid: w.assigned() for w in workers.workers}
            await asyncio.sleep(1)

            one.kill()
            await workers.share([two, three], HOMES)
            assert all(owned[w.pid] <= w.assigned() for w in (two, three))  # type: ignore[operator]
            await asyncio.sleep(1)

            two.process.terminate()
            assert await two.ends(10) == 0
            await workers.share([three], HOMES, within=5)  # it left the group, so no time-out
            await asyncio.sleep(1)

            four = workers.start()
            await workers.share([three, four], HOMES)
            await asyncio.sleep(1)
            sent = await stop(sender)
            await output.has(sent)

            again = {p[:3] for p, n in Counter(p[:3] for p in output.passed).items() if n > 1}
            moved_by_the_kill = {int(tp.rpartition("/")[2]) for tp in owned[one.pid] or ()}
            assert {partition for _, partition, _ in again} <= moved_by_the_kill


@pytest.mark.parametrize(
    "where",
    ["start", "assign", "take", "task", "commit", "fetch", "coordination", "drain"],
)
async def test_whatever_fails_inside_ends_the_worker(
    settings: Settings, line: str, tmp_path: Path, where: str
) -> None:
    bootstrap = settings.bootstrap_servers
    await make_topics(bootstrap, {f"{line}a": 1, f"{line}b": 1, f"{line}out": HOMES})
    stages = [
        extract(line, ["a"], fail=where),
        {"name": "decide", "inputs": [f"{line}b"]},
    ]
    with NullWorkers(settings, tmp_path, stages) as workers:
        worker = workers.start()
        if where not in ("start", "assign"):
            await until(lambda: len(worker.said("assign")) == 2)
            sender = asyncio.create_task(send_until_cancelled(bootstrap, f"{line}a"))
            await asyncio.sleep(0.5)
            await stop(sender)
        assert await worker.ends(FAILS_WITHIN) == 1
        lines = worker.log.read_text().splitlines()
        assert sum("The extract stage failed" in line for line in lines) == 1


async def test_bytes_in_flight_are_bounded(settings: Settings, line: str, tmp_path: Path) -> None:
    bootstrap, mib = settings.bootstrap_servers, 2**20
    await make_topics(
        bootstrap, {f"{line}a": 3, f"{line}out": HOMES}, **{"max.message.bytes": str(4 * mib)}
    )
    for partition in range(3):
        await send(bootstrap, f"{line}a", [b"x" * mib] * 10, partition=partition)
    await send(bootstrap, f"{line}a", [b"x" * 3 * mib], partition=0)
    with NullWorkers(settings, tmp_path, [extract(line, ["a"], hold=True)]) as workers:
        worker = workers.start(max_in_flight_bytes=6 * mib)
        await until(lambda: sum(size for _, size in worker.said("held")) >= 6 * mib)
        await asyncio.sleep(1)
        assert sum(size for _, size in worker.said("held")) <= 8 * mib
    with NullWorkers(settings, tmp_path, [extract(line, ["a"])]) as workers:
        # A budget smaller than a record slows down; it does not stop.
        worker = workers.start(max_in_flight_bytes=mib // 2, group=f"{settings.group}-small")
        committed = f"{line}a/0"
        await until(lambda: "generation" in worker.log.read_text())
        await asyncio.sleep(3)
        worker.process.terminate()
        assert await worker.ends(15) == 0
        worker = workers.start(group=f"{settings.group}-small")
        await until(lambda: bool(worker.said("assign")))
        assert worker.said("assign")[0][1][committed][0] == 11


@pytest.mark.real_kafka
async def test_metadata_of_commits_comes_back(
    settings: Settings, line: str, tmp_path: Path
) -> None:
    bootstrap = settings.bootstrap_servers
    await make_topics(bootstrap, {f"{line}a": 2, f"{line}out": HOMES})
    await send(bootstrap, f"{line}a", [b"x"] * 7, partition=1)
    with NullWorkers(settings, tmp_path, [extract(line, ["a"])]) as workers:
        async with Output(bootstrap, f"{line}out", HOMES) as output:
            worker = workers.start()
            await output.has(7)
            worker.process.terminate()
            assert await worker.ends(10) == 0
        worker = workers.start()
        await until(lambda: bool(worker.said("assign")))
        assert worker.said("assign")[0][1] == {f"{line}a/0": None, f"{line}a/1": [7, "up to 7"]}


@pytest.mark.real_kafka
async def test_a_worker_that_was_frozen_comes_back_as_a_member(
    settings: Settings, line: str, tmp_path: Path
) -> None:
    bootstrap = settings.bootstrap_servers
    await make_topics(bootstrap, {f"{line}a": 1, f"{line}out": HOMES})
    with NullWorkers(settings, tmp_path, [extract(line, ["a"])]) as workers:
        worker = workers.start()
        async with Output(bootstrap, f"{line}out", HOMES) as output:
            await send(bootstrap, f"{line}a", [b"x"] * 10)
            await output.has(10)
            os.killpg(worker.pid, signal.SIGSTOP)
            await asyncio.sleep(settings.session_timeout + 2)
            await send(bootstrap, f"{line}a", [b"x"] * 10)
            os.killpg(worker.pid, signal.SIGCONT)
            await output.has(20)
            assert {p.generation for p in output.passed if p.offset >= 10} == {
                worker.said("assign")[-1][0]
            }
            assert len(worker.said("assign")) == 2


@pytest.mark.real_kafka
@pytest.mark.parametrize("side_topics", ["strict", "best-effort"])
@pytest.mark.parametrize("fault", ["deleted", "compacted"])
async def test_an_output_that_refuses_for_good(
    settings: Settings, line: str, tmp_path: Path, fault: str, side_topics: str
) -> None:
    bootstrap, out = settings.bootstrap_servers, f"{line}out"
    await make_topics(bootstrap, {f"{line}a": 1})
    policy = "compact" if fault == "compacted" else "delete"
    await make_topics(bootstrap, {out: HOMES}, **{"cleanup.policy": policy})
    with NullWorkers(settings, tmp_path, [extract(line, ["a"], side=True)]) as workers:
        worker = workers.start(side_topics=side_topics)
        await send(bootstrap, f"{line}a", [b"x"] * 10)
        async with Output(bootstrap, out, HOMES) as output:
            await output.has(10)
        if fault == "deleted":
            admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
            await admin.start()
            await admin.delete_topics([out])
            await admin.close()
        await send(bootstrap, f"{line}a", [b"x"] * 10, key=None)
        if side_topics == "strict":
            assert await worker.ends(30) == 1
        else:
            await until(lambda: "its records are dropped" in worker.log.read_text(), within=30)
            worker.process.terminate()
            assert await worker.ends(15) == 0
        assert worker.log.read_text().count(f"{out} refuses") == 1


def assert_once_in_order(output: Output) -> None:
    counts = Counter(p[:3] for p in output.passed)
    assert [origin for origin, count in counts.items() if count > 1] == []
    for lane in lanes(output):
        assert lane == sorted(lane)


def lanes(output: Output) -> Iterator[list[int]]:
    """The offsets of each input partition in each output partition, as they came out."""
    found: dict[tuple[str, int, int], list[int]] = {}
    for p in output.passed:
        found.setdefault((p.topic, p.partition, p.output_partition), []).append(p.offset)
    yield from found.values()


async def send_until_cancelled(bootstrap: str, topic: str, a_second: float = 200) -> int:
    """Publishes at a steady rate; returns how many records once it is cancelled."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    deliveries: list[Any] = []
    began = time.monotonic()
    try:
        while True:
            key = b"u%d" % (len(deliveries) % 97)
            deliveries.append(await producer.send(topic, b"x" * 100, key=key))
            await asyncio.sleep(max(0.0, began + len(deliveries) / a_second - time.monotonic()))
    except asyncio.CancelledError:
        await asyncio.gather(*deliveries)
        return len(deliveries)
    finally:
        await producer.stop()


async def stop(sender: "asyncio.Task[int]") -> int:
    sender.cancel()
    return await sender
