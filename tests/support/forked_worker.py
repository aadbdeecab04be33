"""Worker processes that start at once, and that a test may sabotage.

They are forked from a process that has imported all that a worker needs (seconds of CPU each), and
run `regrade worker` from there. A sabotage is a function of `support.sabotage`, called in the
worker's process before it starts; what it breaks, breaks once `break_now` is called.
"""

import asyncio
import ctypes
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from stream.settings import Settings
from support.worker_process import BOTH, WorkerProcess, Workers, environment, stage_option

TRIGGER = "REGRADE_TEST_TRIGGER"
"""Environment variable: the file whose existence lets a sabotage strike."""

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["stream.worker", "stream.cli.entry", "agents.distiller.distiller"])

Sabotage = Callable[[], None]


class ForkedWorker(WorkerProcess):
    """One `regrade worker`, forked.

    Args:
        sabotage: a function of a module, which is called in the worker's process.
    """

    def __init__(
        self,
        settings: Settings,
        log_path: Path,
        stages: Collection[str] = BOTH,
        sabotage: Sabotage | None = None,
    ) -> None:
        self.settings = settings
        self.log_path = log_path
        self.name = log_path.stem
        self.stages = tuple(stages)
        self.told_to_end = False
        self.suspended = False
        self.trigger = log_path.with_suffix(".trigger")
        variables = environment(settings) | {TRIGGER: str(self.trigger)}
        log_path.touch()
        arguments = ("regrade", "worker", *stage_option(self.stages))
        process = _forks.Process(target=_work, args=(arguments, variables, log_path, sabotage))
        process.start()
        self.process: Any = _Forked(process)

    async def end(self, within: float) -> int | None:
        """Waits for its end, expected from now on; returns its exit code, None if it has none."""
        self.told_to_end = True
        deadline = time.monotonic() + within
        while (code := self.returncode) is None and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        return code

    def break_now(self) -> None:
        """Lets the sabotage strike."""
        self.trigger.touch()


class ForkedWorkers(Workers):
    """The forked workers of one consumer group; a context that leaves none behind."""

    def start(
        self, stages: Collection[str] = BOTH, sabotage: Sabotage | None = None, **overrides: Any
    ) -> ForkedWorker:
        """Starts one more; `overrides` are settings of this one only."""
        name = f"worker-{len(self.all) + 1}"
        changes = {"datadir": self._folder / name, **overrides}
        settings = self.settings.model_copy(update=changes)
        worker = ForkedWorker(settings, self._folder / f"{name}.log", stages, sabotage)
        self.all.append(worker)
        return worker


class _Forked:
    """What tests use of `subprocess.Popen`, for a process of multiprocessing."""

    def __init__(self, process: multiprocessing.process.BaseProcess) -> None:
        self._process = process
        assert process.pid is not None
        self.pid = process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self) -> None:
        self._process.join()

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


def _work(
    arguments: tuple[str, ...], variables: dict[str, str], log: Path, sabotage: Sabotage | None
) -> None:
    """Runs in the forked process."""
    os.setpgid(0, 0)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: ends with the tests
    os.environ.clear()
    os.environ.update(variables)
    output = os.open(log, os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(output, stream)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = list(arguments)
    if sabotage is not None:
        sabotage()
    from stream.cli import main

    sys.exit(main())
