"""Runs one worker process until it is told to stop."""

import asyncio
import logging

from faust.worker import Worker

from stream.app import App
from stream.kafka.topics import check_topics
from stream.settings import Settings

log = logging.getLogger(__name__)


def run_worker(settings: Settings) -> int:
    """Check the topics, then work until SIGTERM or SIGINT.

    Returns:
        The process's exit code: 0 after a clean stop, 1 after a failure.

    Raises:
        BrokerUnreachable: no broker answers.
        TopicError: the topics are not as the pipeline needs them.
    """
    _ = asyncio.run(check_topics(settings)).partitions  # raises the first problem, in one line
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    app = App(settings)
    worker = Worker(app, loop=loop, loglevel=settings.log_level, redirect_stdouts=False)
    try:
        worker.execute_from_commandline()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        return max(code, int(app.crashed))
    return int(app.crashed)
