"""Worker processes for tests: started, waited for, told to stop, killed, suspended and resumed.

    with Workers(settings, tmp_path) as workers:
        one, two = workers.start(), workers.start(idle_timeout=1.0)
        await workers.ready()  # together they read every input, and every home has gone on
        one.kill()
        await workers.until(lambda: seen == expected, "all units decided")

A worker that ends though nobody told it to fails the test with the end of its log, as soon as
anybody waits, and at the latest when the `with` block is left.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
from pydantic import SecretStr

from schemas.limits import Limits
from stream.kafka.topics import Topics, check_topics
from stream.settings import CONFIG_VARIABLE, PREFIX, Settings
from support.worker_log import Work, all_gone_on, all_read, input_partitions

TAIL = 60
"""Lines of a log that a failure shows."""
SHORT: dict[str, Any] = {
    "window": 6.0,
    "grace": 3.0,
    "max_clock_skew": 6.0,
    "idle_timeout": 1.5,
    "max_out_of_orderness": 1.0,
    "mark_interval": 0.3,
}
"""Settings with which a unit's life takes seconds."""

# Ends with the tests, should they be killed (PR_SET_PDEATHSIG is 1), then is `regrade worker`.
_LAUNCH = """
import ctypes, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
sys.argv = ["regrade", "worker", *sys.argv[1:]]
from stream.cli import main
sys.exit(main())
"""

BOTH = ("extract", "decide")


class WorkerProcess:
    """One `regrade worker`. Its output, stdout and stderr together, is in `log_path`.

    Args:
        settings: those of the worker; what differs from the defaults goes into its environment.
        log_path: created, or appended to.
        stages: which it runs, of `BOTH`.
        arguments: more words of the command line.
    """

    def __init__(
        self,
        settings: Settings,
        log_path: Path,
        stages: Collection[str] = BOTH,
        arguments: Collection[str] = (),
    ) -> None:
        self.settings = settings
        self.stages = tuple(stages)
        self.log_path = log_path
        self.name = log_path.stem
        self.told_to_end = False
        self.suspended = False
        with log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _LAUNCH, *stage_option(self.stages), *arguments],
                env=environment(settings),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs; -9 after SIGKILL."""
        return self.process.poll()

    @property
    def running(self) -> bool:
        return self.returncode is None

    # -- signals --------------------------------------------------------------------------

    def terminate(self) -> None:
        """SIGTERM; see `ended` for its exit code."""
        self._end(signal.SIGTERM)

    def interrupt(self) -> None:
        """SIGINT, as Ctrl+C sends it."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone: no drain, no leaving of the group."""
        self.told_to_end = True
        self._signal_all(signal.SIGKILL)
        self.process.wait()

    def suspend(self) -> None:
        """SIGSTOP: its clock jumps when it goes on."""
        self._signal_all(signal.SIGSTOP)
        self.suspended = True

    def resume(self) -> None:
        """SIGCONT."""
        self._signal_all(signal.SIGCONT)
        self.suspended = False

    def _signal_all(self, how: signal.Signals) -> None:
        """To the processes of its stages too."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, how)

    def _end(self, how: signal.Signals) -> None:
        self.told_to_end = True
        self.process.send_signal(how)

    async def ended(self, within: float = 30) -> int:
        """Wait for its end, expected from now on; its exit code."""
        self.told_to_end = True
        deadline = time.monotonic() + within
        while (code := self.returncode) is None:
            if time.monotonic() > deadline:
                pytest.fail(f"{self.name} still runs after {within:g} s\n{self.tail()}")
            await asyncio.sleep(0.02)
        return code

    # -- its log --------------------------------------------------------------------------

    @property
    def log(self) -> str:
        return self.log_path.read_text("utf-8", "replace")

    def tail(self, lines: int = TAIL) -> str:
        """The end of its log, headed by whose it is and how it ended."""
        state = "runs" if self.running else f"exit code {self.returncode}"
        last = "\n".join(self.log.splitlines()[-lines:])
        return f"--- {self.name} (pid {self.pid}, {state}), {self.log_path}:\n{last}"

    @property
    def work(self) -> Work:
        """What its log says that it works on."""
        return Work.read(self.log)

    def check(self) -> None:
        """Fail the test if it ended though nobody told it to."""
        if not self.running and not self.told_to_end:
            self.told_to_end = True  # once is enough
            pytest.fail(f"{self.name} ended by itself\n{self.tail()}")


class Workers:
    """The worker processes of one consumer group; a context that leaves none behind.

    Args:
        settings: of all of them.
        folder: for their logs and data.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self.all: list[WorkerProcess] = []
        self._folder = folder

    def start(
        self, stages: Collection[str] = BOTH, arguments: Collection[str] = (), **overrides: Any
    ) -> WorkerProcess:
        """Start one more; `overrides` are settings of this one only."""
        name = f"worker-{len(self.all) + 1}"
        changes = {"datadir": self._folder / name, **overrides}
        settings = self.settings.model_copy(update=changes)
        worker = WorkerProcess(settings, self._folder / f"{name}.log", stages, arguments)
        self.all.append(worker)
        return worker

    @property
    def active(self) -> list[WorkerProcess]:
        """Those that run and are neither suspended nor told to end."""
        return [w for w in self.all if w.running and not w.suspended and not w.told_to_end]

    async def ready(self, within: float = 60) -> None:
        """Wait until the active ones share all partitions, each stage in one generation.

        Then every input partition is read, and every home partition has gone on.
        """
        report = await check_topics(self.settings)
        inputs = input_partitions(Topics.of(self.settings), report)

        def settled() -> bool:
            works = {
                stage: [worker.work for worker in self.active if stage in worker.stages]
                for stage in BOTH
            }
            return all_read(works["extract"], inputs) and all_gone_on(works["decide"], report.homes)

        await self.until(settled, "the workers share all partitions", within)

    async def until(
        self, condition: Callable[[], bool], what: str = "the condition", within: float = 60
    ) -> None:
        """Wait for `condition`; fail with the logs after `within` s, or once a worker has died."""
        deadline = time.monotonic() + within
        while not condition():
            self.check()
            if time.monotonic() > deadline:
                pytest.fail(f"not within {within:g} s: {what}\n{self.tails()}")
            await asyncio.sleep(0.05)

    async def quiet(self, seconds: float) -> None:
        """Let time go by, in which no worker may end."""
        until = time.monotonic() + seconds
        await self.until(lambda: time.monotonic() > until, within=seconds + 60)

    def check(self) -> None:
        """Fail the test if any ended though nobody told it to."""
        for worker in self.all:
            worker.check()

    def tails(self) -> str:
        """The ends of all logs."""
        return "\n".join(worker.tail() for worker in self.all)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        deaths = [w for w in self.all if not w.running]
        for worker in self.all:
            if worker.running:
                worker.kill()
        if error is None:
            for worker in deaths:
                worker.check()


def environment(settings: Settings) -> dict[str, str]:
    """Our environment with `settings` and no other REGRADE_* variables."""
    values = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    # An empty file rather than the regrade.toml of whoever runs the tests.
    if CONFIG_VARIABLE in os.environ:
        values[CONFIG_VARIABLE] = os.environ[CONFIG_VARIABLE]
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, Limits):
            for bound, number in asdict(value).items():
                values[f"{PREFIX}LIMITS__{bound.upper()}"] = str(number)
        elif value is not None and value != field.default:
            values[PREFIX + name.upper()] = _plain(value)
    return values


def stage_option(stages: Collection[str]) -> list[str]:
    """The command line's words for what a worker runs; none for both."""
    return [] if set(stages) == set(BOTH) else ["--stage", *stages]


def _plain(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return ",".join(value) if isinstance(value, tuple) else str(value)
