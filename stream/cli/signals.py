"""SIGTERM as orderly an end as Ctrl-C is."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

import typer

from stream.cli.errors import TERMINATED

T = TypeVar("T")


async def until_terminated(work: Coroutine[Any, Any, T]) -> T:
    """Await it; a SIGTERM cancels it, lets it clean up, and ends the command with 143."""
    task = asyncio.ensure_future(work)
    terminated = False

    def terminate() -> None:
        nonlocal terminated
        terminated = True
        task.cancel()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, terminate)
    try:
        return await task
    except asyncio.CancelledError:
        if terminated:
            raise typer.Exit(TERMINATED) from None
        raise  # Ctrl-C: asyncio.run cancelled us, and so the task
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
