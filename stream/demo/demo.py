"""`regrade demo`: a broker, topics, workers and stations of its own; then the audit."""

import asyncio
import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from agents.lab.simulator import LinePlan, LineTiming
from schemas.modality import MODALITIES
from stream.demo.line import Item, Line
from stream.demo.sender import LineSender
from stream.demo.tally import Tally
from stream.demo.watch import watching
from stream.demo.workers import Workers
from stream.errors import EmbeddedBrokerError
from stream.kafka.embedded import EmbeddedBroker
from stream.kafka.topics import Topics, check_topics, create_topics
from stream.replay.audit import AuditReport, audit
from stream.settings import Settings

WINDOW, GRACE, IDLE_TIMEOUT = 8.0, 4.0, 2.0
"""Shorter than a plant's, so that nobody has to wait a minute for the last unit."""
TIMING = LineTiming(dropout=0.15, span_s=4.0, max_delay_s=1.0, duplicates=0.03)
FOREIGN, DAMAGED, LATE = 0.2, 6, 3
HEAD_START_MS = 300
LEEWAY = 30.0
"""Seconds that the last decision may be overdue before the demo gives up on it."""
TICK = 0.1


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """What was asked for."""

    units: int
    rate: float
    seed: int
    workers: int


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What came of it."""

    plan: DemoPlan
    line: Line
    tally: Tally
    report: AuditReport
    worker_faults: tuple[str, ...]
    seconds: float

    @property
    def ok(self) -> bool:
        return self.report.ok and not self.worker_faults


class Screen(Protocol):
    """Where a run is shown."""

    def step(self, text: str) -> None:
        """Something has been set up."""

    def showing(self, plan: DemoPlan, tally: Tally) -> contextlib.AbstractContextManager[Any]:
        """Show the tally as it changes, within the block."""


async def run_demo(plan: DemoPlan, screen: Screen) -> DemoResult:
    """Run the main job once, from an empty broker to the audit.

    Whatever happens, broker and workers have ended when it returns, and its folder is gone unless
    something failed: then it stays, for its logs.

    Raises:
        RegradeError: the broker or a worker failed.
    """
    started = time.monotonic()
    async with contextlib.AsyncExitStack() as stack:
        folder = stack.enter_context(_scratch(screen))
        log_path = folder.path / "broker.log"
        broker = await stack.enter_async_context(EmbeddedBroker(log_path=log_path))
        settings, overrides = demo_settings(broker.bootstrap)
        await create_topics(settings)
        topics = await check_topics(settings)
        screen.step(f"An embedded broker answers at {broker.bootstrap}; its topics are there.")

        workers = Workers(plan.workers, settings, overrides, folder.path)
        stack.callback(workers.kill)
        workers.start()
        await workers.wait_until_ready(topics)
        screen.step(f"{_workers(plan.workers)}: every partition has its owner.")

        line = demo_line(plan, settings, round(time.time() * 1000) + HEAD_START_MS)
        tally = Tally(total=line.total, passages=len(line.passages))
        async with watching(settings, tally), LineSender(settings, line.foreign_sources) as sender:
            with screen.showing(plan, tally):
                await _supervised(sender, line, tally, workers, broker, settings)
            # The topics are complete only when nobody writes to them any more.
            faults = await workers.stop()
        screen.step("The workers have ended; the audit reads the topics.")
        report = await audit(settings, line.produced)
        seconds = time.monotonic() - started
        result = DemoResult(plan, line, tally, report, tuple(faults), seconds)
        folder.keep = not result.ok
        return result


def demo_settings(bootstrap: str) -> tuple[Settings, dict[str, str]]:
    """The demo's settings, and the same as variables for worker processes.

    What a plant sets, its policy and its weights for instance, holds here too; what would lead
    the demo to the plant's cluster does not.
    """
    overrides: Mapping[str, Any] = {
        "bootstrap_servers": bootstrap,
        "security_protocol": "PLAINTEXT",
        "topic_prefix": "",
        "group": "regrade-demo",
        "replication_factor": 1,
        "modalities": ",".join(MODALITIES),
        "window": WINDOW,
        "max_clock_skew": WINDOW,
        "grace": GRACE,
        "idle_timeout": IDLE_TIMEOUT,
        "log_level": "INFO",
    }
    settings = Settings.load(**overrides)
    variables = {name: str(value) for name, value in overrides.items()}
    if settings.metrics_port is not None:
        variables["metrics_port"] = "0"  # a free one for each
    return settings, variables


def demo_line(plan: DemoPlan, settings: Settings, start_ms: int) -> Line:
    """What the demo's stations will send: the same for a seed, but for the start."""
    line = LinePlan(plan.units, plan.seed, start_ms, plan.rate, TIMING)
    # A partition whose units are all complete may not know how far event time has come.
    late = LATE if any(stay.left_out for stay in line.passages()) else 0
    return Line(line, Topics.of(settings), foreign=FOREIGN, damaged=DAMAGED, late=late)


async def _supervised(
    sender: LineSender,
    line: Line,
    tally: Tally,
    workers: Workers,
    broker: EmbeddedBroker,
    settings: Settings,
) -> None:
    """Send it all and wait until all has been decided; a process's death ends the wait.

    What is sent too late on purpose is sent when all else has been decided: before that, a worker
    that has just started may not know yet how far event time has come.
    """

    async def send(items: Iterator[Item], done: Callable[[], bool]) -> None:
        sending = asyncio.create_task(sender.run(items, tally.note_sent))
        try:
            while not sending.done():
                _check(workers, broker)
                await asyncio.wait([sending], timeout=TICK)
            await sending
            deadline = time.monotonic() + settings.window + settings.idle_timeout + LEEWAY
            while not done() and time.monotonic() < deadline:
                _check(workers, broker)
                await asyncio.sleep(TICK)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    await send(line.timely(), lambda: tally.decided >= tally.passages)
    await send(iter(line.overdue), lambda: _complete(line, tally))


def _check(workers: Workers, broker: EmbeddedBroker) -> None:
    if broker.pid is None:
        raise EmbeddedBrokerError("the embedded broker ended by itself; has somebody killed it?")
    workers.check()


def _complete(line: Line, tally: Tally) -> bool:
    """Whether all that was planned has come out; what then is right, the audit says."""
    return (
        tally.decided >= tally.passages
        and tally.dead_letters >= len(line.produced.damaged)
        and tally.late >= len(line.produced.late)
    )


@dataclass(slots=True)
class _Scratch:
    path: Path
    keep: bool = False


@contextlib.contextmanager
def _scratch(screen: Screen) -> Iterator[_Scratch]:
    """A temporary folder that outlives a failure, for the logs in it."""
    folder = _Scratch(Path(tempfile.mkdtemp(prefix="regrade-demo-")))
    try:
        yield folder
    except Exception:
        folder.keep = True
        raise
    finally:
        if folder.keep:
            screen.step(f"The logs of broker and workers stay in {folder.path}.")
        else:
            shutil.rmtree(folder.path, ignore_errors=True)


def _workers(count: int) -> str:
    return "One worker is at work" if count == 1 else f"{count} workers are at work"
