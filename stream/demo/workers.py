"""Worker processes of our own: started, waited for, stopped."""

import asyncio
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from schemas.errors import RegradeError
from stream.kafka.child import Child
from stream.settings import PREFIX, Settings

START_TIMEOUT = 90.0
KILL_AFTER = 5.0
"""Seconds beyond `shutdown_timeout` after which a worker that does not stop is killed."""

# What the agents of the two stages log.
READS, GOES_ON = ": input partitions ", re.compile(r"Home partition (\d+) goes on at offset")


class WorkerFailed(RegradeError):
    """A worker process ended, or did not begin."""


def start_worker(overrides: Mapping[str, object], folder: Path, name: str) -> Child:
    """Returns a worker that has its log and its data in `folder`.

    Args:
        overrides: settings that it shall have whatever our environment says.
    """
    values = {**overrides, "datadir": folder / name}
    ours = {f"{PREFIX}{key.upper()}": str(value) for key, value in values.items()}
    command = [sys.executable, "-m", "stream.cli", "worker"]
    return Child(command, folder / f"{name}.log", os.environ | ours)


async def until_ready(workers: Sequence[Child], homes: int) -> None:
    """Waits until their logs say that all read input, and that `homes` home partitions go on.

    Raises:
        WorkerFailed: one ended, or they took too long.
    """

    def ready() -> bool:
        logs = [worker.log for worker in workers]
        going_on = {home for log in logs for home in GOES_ON.findall(log)}
        return len(going_on) == homes and all(READS in log for log in logs)

    try:
        async with asyncio.timeout(START_TIMEOUT):
            while not ready():
                check(workers)
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise WorkerFailed(
            f"the workers did not share the partitions within {START_TIMEOUT:g} s; see their logs"
        ) from None


def check(workers: Sequence[Child]) -> None:
    """Raises `WorkerFailed` if one has ended."""
    for worker in workers:
        if worker.poll() is not None:
            raise WorkerFailed(worker.ended)


async def stop(workers: Sequence[Child], settings: Settings) -> list[str]:
    """Lets them finish what is in flight, and returns a line a worker that ended badly."""
    within = settings.shutdown_timeout + KILL_AFTER
    await asyncio.gather(*(asyncio.to_thread(worker.stop, within) for worker in workers))
    return [worker.ended for worker in workers if worker.returncode]
