"""Worker processes of our own: started, waited for, stopped, and their logs read."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from schemas.errors import RegradeError
from stream.demo.worker_log import Work, all_gone_on, all_read, input_partitions, last_words
from stream.kafka.embedded import leashed
from stream.kafka.topics import TopicReport, Topics
from stream.settings import PREFIX, Settings

START_TIMEOUT = 90.0
KILL_AFTER = 5.0
"""Seconds beyond `shutdown_timeout` after which a worker that does not stop is killed."""


class WorkerFailed(RegradeError):
    """A worker process ended, or did not begin."""


class Workers:
    """Worker processes with the same settings.

    Args:
        count: how many.
        settings: of this process.
        overrides: names and values that the workers shall have whatever their environment says.
        folder: where each writes its log and its data.
    """

    def __init__(
        self, count: int, settings: Settings, overrides: Mapping[str, str], folder: Path
    ) -> None:
        self._settings = settings
        self._environment = os.environ | {
            f"{PREFIX}{name.upper()}": value for name, value in overrides.items()
        }
        self._folder = folder
        self._count = count
        self.processes: list[subprocess.Popen[bytes]] = []

    def log_path(self, number: int) -> Path:
        return self._folder / f"worker-{number}.log"

    def start(self) -> None:
        """Start them all; `wait_until_ready` comes next."""
        command = [sys.executable, "-m", "stream.cli", "worker"]
        for number in range(1, self._count + 1):
            datadir = str(self._folder / f"worker-{number}")
            with self.log_path(number).open("wb") as log:
                self.processes.append(
                    subprocess.Popen(  # noqa: S603 (our own interpreter, no shell)
                        leashed(command),
                        env=self._environment | {f"{PREFIX}DATADIR": datadir},
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,  # Ctrl-C is for us; we stop them in order
                    )
                )

    async def wait_until_ready(self, report: TopicReport, within: float = START_TIMEOUT) -> None:
        """Until every input partition is read, and every home partition has gone on.

        Raises:
            WorkerFailed: one ended, or they took too long.
        """
        deadline = time.monotonic() + within
        wanted = input_partitions(Topics.of(self._settings), report)
        while not (all_read(works := self._works(), wanted) and all_gone_on(works, report.homes)):
            self.check()
            if time.monotonic() > deadline:
                raise WorkerFailed(
                    f"the workers did not share all partitions within {within:g} s;"
                    f" their logs are in {self._folder}"
                )
            await asyncio.sleep(0.1)

    def check(self) -> None:
        """Raise `WorkerFailed` if one has ended."""
        for number, process in enumerate(self.processes, 1):
            if (code := process.poll()) is not None:
                raise WorkerFailed(self._ended(number, code))

    async def stop(self) -> list[str]:
        """Let them finish what is in flight, and wait.

        Returns:
            One line a worker that did not stop cleanly.
        """
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        deadline = time.monotonic() + self._settings.shutdown_timeout + KILL_AFTER
        while any(process.poll() is None for process in self.processes):
            if time.monotonic() > deadline:
                self.kill()
            await asyncio.sleep(0.05)
        codes = [process.returncode for process in self.processes]
        return [self._ended(number, code) for number, code in enumerate(codes, 1) if code]

    def kill(self) -> None:
        """End those that still run, at once."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()

    def _works(self) -> list[Work]:
        return [Work.read(_text(self.log_path(number + 1))) for number in range(self._count)]

    def _ended(self, number: int, code: int) -> str:
        path = self.log_path(number)
        return f"worker {number} ended with {code}: {last_words(_text(path))} (log: {path})"


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
