"""Runs the apps of one worker process until it is told to stop."""

import asyncio
from collections.abc import Callable, Sequence

import faust.worker

from stream.kafka.failure import Failure
from stream.kafka.stage_app import StageApp
from stream.settings import Settings


class Worker(faust.worker.Worker):  # type: ignore[misc]
    """Stops its apps side by side: one after the other their groups would be silent in turn."""

    async def on_stop(self) -> None:
        await asyncio.gather(*[app.stop() for app in (self.app, *self.services)])


def run(settings: Settings, make: Callable[[Failure], Sequence[StageApp]]) -> int:
    """Works until SIGTERM, SIGINT, or a failure of any stage.

    Args:
        make: makes the stages' apps, in this process's new event loop; the first is Faust's main
            app, the others are its services and start before it.

    Returns:
        The process's exit code: 0 after a clean stop, 1 after a failure.
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    failure = Failure()
    app, *others = make(failure)
    worker = Worker(
        app, *others, loop=loop, loglevel=settings.log_level, redirect_stdouts=False, quiet=True
    )
    try:
        worker.execute_from_commandline()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        return max(code, int(failure.error is not None))
    return int(failure.error is not None)
