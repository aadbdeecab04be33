"""One worker process, of both stages or one."""

import asyncio
from collections.abc import Collection
from typing import Literal

from agents.metrics import Metrics
from stream.app import decide_app, extract_app
from stream.errors import SettingsError
from stream.kafka.failure import Failure
from stream.kafka.process import run
from stream.kafka.stage_app import StageApp
from stream.kafka.topics import check_topics
from stream.settings import Settings
from stream.shadow import EXTRACTS_NOTHING, create_shadow_topics
from stream.stages import serve_metrics

StageName = Literal["extract", "decide"]


def run_worker(
    settings: Settings,
    stages: Collection[StageName] = ("extract", "decide"),
    since: int | None = None,
    until: int | None = None,
) -> int:
    """Checks the topics, then works until SIGTERM, SIGINT, or a failure of any stage.

    Args:
        since: from when on a shadow decides, ms since 1970 UTC; None: from now.
        until: until when; None: for ever.

    Returns:
        The process's exit code: 0 after a clean stop, 1 after a failure.

    Raises:
        SettingsError: a shadow has another stage than decide, or a line has a span.
        BrokerUnreachable: no broker answers.
        TopicError: the topics are not as the line needs them.
    """
    if not settings.shadow and (since is not None or until is not None):
        raise SettingsError("only a shadow begins or ends at a time; name it with --shadow")
    if settings.shadow:
        if "extract" in stages:
            raise SettingsError(EXTRACTS_NOTHING)
        asyncio.run(create_shadow_topics(settings))
    _ = asyncio.run(check_topics(settings)).homes  # raises the first problem, in one line
    metrics = Metrics()
    serve_metrics(settings, metrics)

    def make(failure: Failure) -> list[StageApp]:
        decide = None
        if "decide" in stages:
            decide = decide_app(settings, metrics, failure, since, until)
        extract = extract_app(settings, metrics, failure, decide) if "extract" in stages else None
        return [app for app in (extract, decide) if app is not None]

    return run(settings, make)
