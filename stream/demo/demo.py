"""`regrade demo`: a broker, topics, workers and stations of its own; then the audit."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live

from agents.lab.simulator import LinePlan, LineTiming
from schemas.modality import MODALITIES
from stream.demo.board import board
from stream.demo.line import Line
from stream.demo.send import send_line
from stream.demo.summary import summary
from stream.demo.tally import Tally
from stream.demo.workers import check, start_worker, stop, until_ready
from stream.errors import EmbeddedBrokerError
from stream.kafka.child import Child
from stream.kafka.embedded import EmbeddedBroker
from stream.kafka.topics import Topics, create_topics
from stream.replay.audit import audit
from stream.replay.record import END, Recorder
from stream.settings import Settings

WINDOW = 8.0
"""Like all that follows shorter than a plant's, so that nobody waits a minute for the last unit."""
OVERRIDES: dict[str, Any] = {
    "window": WINDOW,
    "max_clock_skew": WINDOW,
    "grace": 4.0,
    "idle_timeout": 2.0,
    # What a plant sets, its policy and its weights for instance, holds here too; what would lead
    # the demo to the plant's cluster does not.
    "security_protocol": "PLAINTEXT",
    "topic_prefix": "",
    "group": "regrade-demo",
    "replication_factor": 1,
    "modalities": ",".join(MODALITIES),
    "log_level": "INFO",
}
TIMING = LineTiming(dropout=0.15, span_s=4.0, max_delay_s=1.0, duplicates=0.03)
FOREIGN, DAMAGED, LATE = 0.2, 6, 3
PATIENCE = 40.0
"""Seconds after which the demo gives up on the last decision."""
FRAME = 0.25
"""Seconds between two pictures of the board."""


async def run_demo(
    plan: LinePlan, count: int, console: Console, record: Path | None = None
) -> dict[str, Any]:
    """Runs `plan`, from an empty broker to the audit, with `count` workers; returns its summary.

    The plan starts when the workers are ready, whatever it says. Whatever happens, broker and
    workers have ended in the end, and their folder is gone unless something failed: then it stays,
    for its logs.

    Args:
        record: the folder into which all topics are recorded when the workers have ended.

    Raises:
        RegradeError: the broker or a worker failed, or the folder has a recording already.
    """
    started = time.monotonic()
    found: dict[str, Any] = {}
    folder = Path(tempfile.mkdtemp(prefix="regrade-demo-"))

    def tidy(kind: type[BaseException] | None, *_: object) -> None:
        if found.get("ok") or kind is asyncio.CancelledError:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            console.out(f"The logs of broker and workers stay in {folder}.")

    async with AsyncExitStack() as stack:
        stack.push(tidy)
        broker = EmbeddedBroker(log_path=folder / "broker.log")
        await stack.enter_async_context(broker)
        overrides = OVERRIDES | {"bootstrap_servers": broker.bootstrap}
        settings = Settings.load(**overrides)
        if settings.metrics_port is not None:
            overrides["metrics_port"] = 0  # a free one for each worker
        await create_topics(settings)
        console.out(f"An embedded broker answers at {broker.bootstrap}; its topics are there.")
        workers = [start_worker(overrides, folder, f"worker-{n + 1}") for n in range(count)]
        for worker in workers:
            stack.callback(worker.stop, 0)
        await until_ready(workers, settings.partitions)
        console.out(f"Workers at work: {count}. The stations begin.")

        plan = replace(plan, start_ms=round(time.time() * 1000))
        # A partition whose units are all complete may not know how far event time has come.
        late = LATE if any(stay.left_out for stay in plan.passages()) else 0
        line = Line(plan, Topics.of(settings), FOREIGN, DAMAGED, late)
        tally = Tally(line.total, plan.units)
        picture = partial(board, f"Regrade: {plan.units} returned laptops, seed {plan.seed}", tally)
        with Live(console=console, get_renderable=picture, auto_refresh=False) as live:
            await _until_one_ends(
                _cross(settings, line, tally),
                tally.follow(settings),
                _supervise(workers, broker, live),
            )
        if not console.is_terminal:
            console.line()  # which the board leaves out
        # The topics are complete only when nobody writes to them any more.
        faults = await stop(workers, settings)
        if record is not None:
            recorder = Recorder(settings, record, until=END)
            await recorder.run()
            console.out(f"{recorder.records.total():,} records are in {record}.")
        console.out("The workers have ended; the audit reads the topics.")
        report = await audit(settings, line.produced)
        found |= summary(line, tally, report, faults, time.monotonic() - started)
    return found


async def _cross(settings: Settings, line: Line, tally: Tally) -> None:
    """Sends it all, and waits until all has been decided.

    What is sent too late on purpose is sent when all else has been decided: before that, a worker
    that has just started may not know yet how far event time has come.
    """
    await send_line(settings, line.timely(), tally.note_sent)
    await _patiently(lambda: len(tally.decided) >= tally.units)
    await send_line(settings, iter(line.overdue), tally.note_sent)
    await _patiently(lambda: tally.late >= line.late and tally.dead_letters >= line.damaged)


async def _patiently(done: Callable[[], bool]) -> None:
    """Waits for it, though not for ever: then the audit says what is missing."""
    deadline = time.monotonic() + PATIENCE
    while not done() and time.monotonic() < deadline:  # noqa: ASYNC110 (nobody tells of counts)
        await asyncio.sleep(0.1)


async def _supervise(workers: Sequence[Child], broker: EmbeddedBroker, live: Live) -> None:
    """Shows the board until a process ends that should not."""
    while True:
        check(workers)
        if broker.pid is None:
            raise EmbeddedBrokerError(
                "the embedded broker ended by itself; has somebody killed it?"
            )
        live.refresh()
        await asyncio.sleep(FRAME)


async def _until_one_ends(*works: Coroutine[Any, Any, None]) -> None:
    """Runs them side by side; the first that ends, well or not, ends the others."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
