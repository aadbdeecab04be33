"""One worker process, of both stages or one."""

import asyncio
from collections.abc import Collection
from typing import Literal

from agents.metrics import Metrics
from stream.app import decide_app, extract_app
from stream.kafka.failure import Failure
from stream.kafka.process import run
from stream.kafka.stage_app import StageApp
from stream.kafka.topics import check_topics
from stream.settings import Settings
from stream.stages import serve_metrics

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
    metrics = Metrics()
    serve_metrics(settings, metrics)

    def make(failure: Failure) -> list[StageApp]:
        decide = decide_app(settings, metrics, failure) if "decide" in stages else None
        extract = extract_app(settings, metrics, failure, decide) if "extract" in stages else None
        return [app for app in (extract, decide) if app is not None]

    return run(settings, make)
