"""The process of one app, and the processes of a worker that runs several.

Each stage has a process of its own, because in one they would wait for each other's turn with
Python's lock: at 40 units a second that took as long again as all the work.
"""

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Callable, Sequence
from typing import Any

import faust.worker

from stream.kafka.stage_app import StageApp
from stream.settings import Settings

END_WITHIN = 2.5
"""Seconds for the other processes of a worker to end once one has ended by itself."""
SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run(settings: Settings, make: Callable[[], StageApp]) -> int:
    """Works until SIGTERM, SIGINT, or a failure.

    Args:
        make: makes the app, in this process's new event loop.

    Returns:
        The process's exit code: 0 after a clean stop, 1 after a failure.
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    app = make()
    worker = faust.worker.Worker(
        app, loop=loop, loglevel=settings.log_level, redirect_stdouts=False, quiet=True
    )
    try:
        worker.execute_from_commandline()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        return max(code, int(app.failure.error is not None))
    return int(app.failure.error is not None)


def run_each(works: Sequence[Callable[[], int]]) -> int:
    """Runs each work in a child process, and looks after them until all have ended.

    They are told to end (SIGTERM) when this process is, when one of them has ended by itself, and
    when this process is gone. Call it before there is any thread.

    Returns:
        In each child what its work returns, and here the worst of that: the process's exit code.
    """
    lifeline, ours = os.pipe()
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # until it is clear who is meant
    children: set[int] = set()
    for work in works:
        if not (pid := os.fork()):
            os.close(ours)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            threading.Thread(target=_end_with_parent, args=(lifeline,), daemon=True).start()
            return work()
        children.add(pid)
    os.close(lifeline)
    return _look_after(children)


def _look_after(children: set[int]) -> int:
    told_to_end = False

    def tell(how: signal.Signals) -> None:
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, how)

    def pass_on(*_: Any) -> None:
        nonlocal told_to_end
        told_to_end = True
        tell(signal.SIGTERM)

    for each in SIGNALS:
        signal.signal(each, pass_on)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    worst = 0
    while children:
        pid, status = os.wait()
        if pid not in children:
            continue  # somebody else's, whom init has left to us
        children.remove(pid)
        code = os.waitstatus_to_exitcode(status)
        if code and not (told_to_end and code == -signal.SIGTERM):  # which came before it began
            worst = 1
        if children and not told_to_end:
            worst = 1  # no stage has a reason to end by itself
            pass_on()
            threading.Timer(END_WITHIN, tell, [signal.SIGKILL]).start()
    return worst


def _end_with_parent(lifeline: int) -> None:
    os.read(lifeline, 1)  # nothing is ever written: it ends when the other end is closed
    os.kill(os.getpid(), signal.SIGTERM)
