"""One worker, of both stages or one."""

import asyncio
from collections.abc import Collection
from functools import partial

from agents.metrics import Metrics
from stream.app import APPS, MakeApp, StageName, decide_app, serve_metrics
from stream.configure import check_decider
from stream.errors import SettingsError
from stream.kafka.assignor import SharedHomes
from stream.kafka.process import run, run_each
from stream.kafka.topics import check_topics
from stream.settings import Settings
from stream.shadow import EXTRACTS_NOTHING, create_shadow_topics


def run_worker(
    settings: Settings,
    stages: Collection[StageName] = ("extract", "decide"),
    since: int | None = None,
    until: int | None = None,
) -> int:
    """Checks the topics, then works until SIGTERM, SIGINT, or a failure of any stage.

    Several stages have a process each, and this one looks after them: it is forked, and must not
    have threads. The first stage's metrics are served at `metrics_port`, the second's at the next.

    Args:
        since: where a new shadow begins, ms since 1970 UTC; None: now.
        until: where a shadow ends; None: never.

    Returns:
        The process's exit code: 0 after a clean stop, 1 after a failure.

    Raises:
        SettingsError: a shadow has another stage than decide, or a line has a span.
        BrokerUnreachable: no broker answers.
        TopicError: the topics are not as the line needs them.
        WeightsError, PlantTableError, BackendError: what the decide stage needs cannot be used.
    """
    if not settings.shadow and (since is not None or until is not None):
        raise SettingsError("only a shadow begins or ends at a time; name it with --shadow")
    if settings.shadow and "extract" in stages:
        raise SettingsError(EXTRACTS_NOTHING)
    if "decide" in stages:
        # What a plant supplies itself is told of in one line, before any process has begun.
        check_decider(settings)
    if settings.shadow:
        asyncio.run(create_shadow_topics(settings))
    _ = asyncio.run(check_topics(settings)).homes  # raises the first problem, in one line
    homes = SharedHomes()
    apps = APPS | {"decide": partial(decide_app, since=since, until=until)}
    works = [
        partial(_run, settings, apps[stage], homes, number)
        for number, stage in enumerate(stage for stage in APPS if stage in stages)
    ]
    return run_each(works) if len(works) > 1 else works[0]()


def _run(settings: Settings, app: MakeApp, homes: SharedHomes, number: int) -> int:
    metrics = Metrics()
    serve_metrics(settings, metrics, number)
    return run(settings, lambda: app(settings, metrics, homes))
