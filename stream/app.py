"""The two Faust apps, one a stage, each with a consumer group of its own.

`regrade worker` runs both in one process, or one of them; so do `faust -A stream.app:extract
worker` and `faust -A stream.app:decide worker`.
"""

from collections.abc import Callable
from functools import cache, partial

from agents.metrics import Metrics
from stream.errors import SettingsError
from stream.kafka.failure import Failure
from stream.kafka.stage import Flow
from stream.kafka.stage_app import StageApp
from stream.kafka.topics import Topics
from stream.settings import Settings
from stream.shadow import EXTRACTS_NOTHING, ShadowStage
from stream.stages import DecideStage, ExtractStage, serve_metrics


def extract_app(
    settings: Settings,
    metrics: Metrics | None = None,
    failure: Failure | None = None,
    decide: StageApp | None = None,
) -> StageApp:
    """Returns the app of the extract stage: one agent a modality.

    Args:
        decide: that of the same process: input partitions then go where the homes are.

    Raises:
        SettingsError: the settings are a shadow's.
    """
    if settings.shadow:
        raise SettingsError(EXTRACTS_NOTHING)
    make = partial(ExtractStage, settings, metrics=metrics or Metrics())
    return StageApp(settings, "extract", Topics.of(settings).observations, make, failure, decide)


def decide_app(
    settings: Settings,
    metrics: Metrics | None = None,
    failure: Failure | None = None,
    since: int | None = None,
    until: int | None = None,
) -> StageApp:
    """Returns the app of the decide stage: one agent on the features topic.

    Args:
        since: where a new shadow begins, ms since 1970 UTC; None: now.
        until: where a shadow ends; None: never.
    """
    topics, metrics = Topics.of(settings), metrics or Metrics()
    name = f"decide{topics.suffix.replace('.', '-')}"
    make: Callable[[Flow], DecideStage] = partial(DecideStage, settings, metrics=metrics)
    if settings.shadow:
        make = partial(ShadowStage, settings, metrics=metrics, since=since, until=until)
    return StageApp(settings, name, [topics.features], make, failure)


@cache
def _app(name: str) -> StageApp:
    settings, metrics = Settings.load(), Metrics()
    serve_metrics(settings, metrics)
    return extract_app(settings, metrics) if name == "extract" else decide_app(settings, metrics)


def __getattr__(name: str) -> StageApp:
    """`extract` and `decide`, made once, when Faust's own command line asks for one of them."""
    if name in ("extract", "decide"):
        return _app(name)
    raise AttributeError(name)
