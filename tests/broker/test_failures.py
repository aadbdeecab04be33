"""Whatever fails inside a worker ends it: exit code 1 within 10 s, and the log says why."""

import asyncio
import contextlib
import time
from pathlib import Path

import pytest
from support import sabotage
from support.forked_worker import ForkedWorkers, Sabotage
from support.sender import Sender, observe
from support.worker_process import SHORT

from stream.kafka.topics import create_topics
from stream.settings import Settings

AT_START = (sabotage.loading, sabotage.reading_back)
PLACES: dict[str, tuple[Sabotage, ...]] = {
    "steps": (
        sabotage.extract_step,
        sabotage.extract_step_exits,
        sabotage.decide_step,
        sabotage.model_encodes,
        sabotage.model_decides,
    ),
    "tasks": (
        sabotage.looking_task,
        sabotage.marking_task,
        sabotage.marking_task_is_cancelled,
        sabotage.executors,
        sabotage.producer_task,
    ),
    "faust": (
        sabotage.committing,
        sabotage.commit_in_thread,
        sabotage.taking_is_cancelled,
        sabotage.assigning,
        sabotage.revoking,
        *AT_START,
    ),
    "client": (
        sabotage.polling,
        sabotage.consumer_thread,
        sabotage.fetching_task,
        sabotage.coordinating_task,
    ),
}


@pytest.mark.parametrize("places", PLACES.values(), ids=PLACES)
async def test_a_failure_inside_ends_the_worker(
    settings: Settings, tmp_path: Path, places: tuple[Sabotage, ...]
) -> None:
    """All places of a group at once, each in a worker and on a line of its own."""
    told = await asyncio.gather(*[fault_of(place, settings, tmp_path) for place in places])
    faults = [
        f"{place.__name__}: {fault}" for place, fault in zip(places, told, strict=True) if fault
    ]
    assert not faults, "\n".join(faults)


async def fault_of(place: Sabotage, settings: Settings, folder: Path) -> str | None:
    """Sabotages a worker in one place; returns what was wrong with its end."""
    prefix = f"{settings.topic_prefix}{place.__name__}."
    own = {"topic_prefix": prefix, "group": f"{prefix}regrade", "partitions": 1}
    line = settings.model_copy(update=SHORT | own)
    await create_topics(line)
    (folder := folder / place.__name__).mkdir()
    with ForkedWorkers(line, folder) as workers, Sender(line) as sender:
        worker = workers.start(sabotage=place)
        if place in AT_START:
            worker.break_now()
        else:
            await workers.ready()
            worker.break_now()
        number = 0
        while sabotage.STRUCK not in worker.log:
            worker.check()
            number += 1
            for observation in observe(f"LT-{number}"):
                sender.observation(observation)
            await sender.flush()
            await asyncio.sleep(0.2)
        struck = time.monotonic()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(15):
                while worker.running:
                    await asyncio.sleep(0.05)
        seconds, code = time.monotonic() - struck, worker.returncode
        worker.told_to_end = True
    if code != 1:
        return f"exit code {code}\n{worker.tail()}"
    print(f"{place.__name__}: {seconds:.1f} s")
    if seconds > 10:
        return f"{seconds:.1f} s\n{worker.tail()}"
    lines = [text for text in worker.log.splitlines() if "so this worker ends" in text]
    return None if len(lines) == 1 else f"{len(lines)} lines\n{worker.tail()}"
