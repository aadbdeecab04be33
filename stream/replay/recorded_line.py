"""Which line a recording is of: what its topics are called, and how many homes it has."""

from typing import Literal

from schemas.errors import RecordError
from schemas.feature_record import decode_feature_record
from schemas.mark import is_mark
from stream.errors import RecordingError
from stream.kafka.topics import Topics
from stream.replay.recording import Recording
from stream.settings import Settings

Source = Literal["raw", "features"]

ENOUGH = 1_000
"""Feature records by which it is judged whether a model can take them."""


def settings_of(recording: Recording, settings: Settings) -> Settings:
    """Returns the settings with the topic prefix that the recorded line had.

    Raises:
        RecordingError: it is of several lines, and none of them has the prefix of the settings.
    """
    names = Topics(modalities=settings.modalities).all
    prefixes = {
        topic.removesuffix(name)
        for topic in recording.topics
        for name in names
        if topic.endswith(name)
    }
    if settings.topic_prefix in prefixes:
        return settings
    if len(prefixes) != 1:
        found = ", ".join(sorted(prefixes)) or "none"
        raise RecordingError(
            f"{recording.path} has the topics of several lines or of none (prefixes: {found});"
            " choose one with --topic-prefix"
        )
    return settings.model_copy(update={"topic_prefix": prefixes.pop()})


def homes_of(recording: Recording, settings: Settings) -> int:
    """Returns H: of the recorded line, else of the settings."""
    topics = Topics.of(settings)
    counts = [recording.topics[name] for name in topics.homes if name in recording.topics]
    return counts[0] if counts else settings.partitions


def source_of(recording: Recording, settings: Settings, wanted: Source | None) -> Source:
    """Returns what to replay from: features where the model was trained on what was recorded.

    Raises:
        RecordingError: what is wanted has not been recorded, or nothing that could be.
        WeightsError: the model's card cannot be read.
    """
    topics = Topics.of(settings)
    has = {
        "raw": any(name in recording.topics for name in topics.observations),
        "features": topics.features in recording.topics,
    }
    if wanted is not None:
        if not has[wanted]:
            raise RecordingError(
                f"{recording.path} has no {wanted} topic of this line; it has"
                f" {', '.join(sorted(recording.topics))}"
            )
        return wanted
    if has["features"] and (not has["raw"] or _fit(recording, settings)):
        return "features"
    if not has["raw"]:
        raise RecordingError(f"{recording.path} has neither observations nor features of this line")
    return "raw"


def _fit(recording: Recording, settings: Settings) -> bool:
    """Whether the recorded features are what the model was trained on."""
    from agents.distiller.files import WEIGHTS, read_fingerprints  # torch; few ask for it

    trained_on = read_fingerprints(settings.weights_path or WEIGHTS, settings.modalities)
    seen = 0
    for record in recording.records([Topics.of(settings).features]):
        if not record.value or is_mark(record.value):
            continue
        try:
            features = decode_feature_record(record.value)
        except RecordError:
            continue
        if features.fingerprint != trained_on.get(features.modality):
            return False
        if (seen := seen + 1) == ENOUGH:
            break
    return seen > 0
