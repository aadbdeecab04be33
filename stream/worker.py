"""Runs one worker process, of both stages or one, until it is told to stop."""

import asyncio
import logging
from collections.abc import Collection
from typing import Literal

from faust.worker import Worker

from agents.metrics import Metrics
from stream.app import decide_app, extract_app
from stream.kafka.failure import Failure
from stream.kafka.topics import check_topics
from stream.settings import Settings
from stream.stages import serve_metrics

log = logging.getLogger(__name__)

StageName = Literal["extract", "decide"]


def run_worker(settings: Settings, stages: Collection[StageName] = ("extract", "decide")) -> int:
    """Checks the topics, then works until SIGTERM, SIGINT, or a failure of any stage.

    Returns:
        The process's exit code: 0 after a clean stop, 1 after a failure.

    Raises:
        BrokerUnreachable: no broker answers.
        TopicError: the topics are not as the line needs them.
    """
    _ = asyncio.run(check_topics(settings)).homes  # raises the first problem, in one line
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    failure, metrics = Failure(), Metrics()
    serve_metrics(settings, metrics)
    make = {"extract": extract_app, "decide": decide_app}
    app, *others = [make[stage](settings, metrics, failure) for stage in sorted(stages)]
    worker = Worker(
        app, *others, loop=loop, loglevel=settings.log_level, redirect_stdouts=False, quiet=True
    )
    try:
        worker.execute_from_commandline()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        return max(code, int(failure.error is not None))
    return int(failure.error is not None)
