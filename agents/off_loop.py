"""Where a step runs: in a thread, or, where there is little to do, at once."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

FEW = 64
"""Records that are sooner done than handed to a thread.

A step lets go of Python's lock with each operation of torch, and must then wait until the event
loop, busy with the next records, has let go of it: at 40 units a second, steps took 23 ms in a
thread and 1.5 ms here. Heartbeats have threads of their own, so nobody waits for the event loop.
"""

T = TypeVar("T")


async def off_loop(executor: Executor, work: Callable[[], T], records: int) -> T:
    """Returns what `work` gives, which has so many records to do."""
    if records <= FEW:
        return work()
    return await asyncio.get_running_loop().run_in_executor(executor, work)
