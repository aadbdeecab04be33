"""The two Faust apps, one a stage, each with a consumer group of its own.

`regrade worker` runs each in a process, or one of them; so do `faust -A stream.app:extract worker`
and `faust -A stream.app:decide worker`.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Literal

from prometheus_client import start_http_server

from agents.metrics import Metrics
from stream.errors import SettingsError
from stream.kafka.assignor import SharedHomes, StickyAssignor
from stream.kafka.stage import Flow
from stream.kafka.stage_app import StageApp
from stream.kafka.topics import Topics
from stream.settings import Settings
from stream.shadow import EXTRACTS_NOTHING, ShadowStage
from stream.stages import DecideStage, ExtractStage


def extract_app(settings: Settings, metrics: Metrics, homes: SharedHomes | None = None) -> StageApp:
    """Returns the app of the extract stage: one agent a modality.

    Args:
        homes: those of the same worker: its input partitions then go where they are.

    Raises:
        SettingsError: the settings are a shadow's.
    """
    if settings.shadow:
        raise SettingsError(EXTRACTS_NOTHING)
    make = partial(ExtractStage, settings, metrics=metrics)
    assignor = StickyAssignor(followed=homes.get) if homes else None
    return StageApp(settings, "extract", Topics.of(settings).observations, make, assignor)


def decide_app(
    settings: Settings,
    metrics: Metrics,
    homes: SharedHomes | None = None,
    since: int | None = None,
    until: int | None = None,
) -> StageApp:
    """Returns the app of the decide stage: one agent on the features topic.

    Args:
        homes: is kept up to date.
        since: where a new shadow begins, ms since 1970 UTC; None: now.
        until: where a shadow ends; None: never.
    """
    make: Callable[[Flow], DecideStage] = partial(DecideStage, settings, metrics=metrics)
    if settings.shadow:
        make = partial(ShadowStage, settings, metrics=metrics, since=since, until=until)
    assignor = StickyAssignor(given=homes.put) if homes else None
    topics = Topics.of(settings)
    name = f"decide{topics.suffix.replace('.', '-')}"
    return StageApp(settings, name, [topics.features], make, assignor)


StageName = Literal["extract", "decide"]
MakeApp = Callable[[Settings, Metrics, SharedHomes | None], StageApp]

APPS: dict[StageName, MakeApp] = {"extract": extract_app, "decide": decide_app}


def serve_metrics(settings: Settings, metrics: Metrics, number: int = 0) -> None:
    """Serves the metrics of this process where the settings say so, so many ports further on.

    Raises:
        SettingsError: nothing can listen there.
    """
    if settings.metrics_port is None:
        return
    host, port = settings.metrics_host, settings.metrics_port and settings.metrics_port + number
    try:
        start_http_server(port, host, registry=metrics.registry)
    except OSError as error:
        raise SettingsError(
            f"metrics_port: cannot serve at {host}:{port} ({error.strerror}); name a port that is"
            " free, and the next one too where a worker runs both stages"
        ) from error


@cache
def _app(name: StageName) -> StageApp:
    settings, metrics = Settings.load(), Metrics()
    serve_metrics(settings, metrics)
    return APPS[name](settings, metrics, None)


def __getattr__(name: str) -> StageApp:
    """`extract` and `decide`, made once, when Faust's own command line asks for one of them."""
    if name == "extract" or name == "decide":
        return _app(name)
    raise AttributeError(name)
