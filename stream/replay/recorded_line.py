"""Which line a recording is of: what its topics are called, and how many homes it has."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal, Self

from schemas.errors import RecordError
from schemas.feature_record import decode_feature_record
from schemas.mark import is_mark
from schemas.record import Record
from stream.errors import RecordingError
from stream.kafka.memory import our_decision
from stream.kafka.topics import Topics
from stream.replay.recording import Recording
from stream.settings import Settings, ms

Source = Literal["raw", "features"]

BATCH = 2_000
"""Records that are read at a time; twice as many are not faster."""
ENOUGH = 1_000
"""Feature records by which it is judged whether a model can take them."""


@dataclass(frozen=True, slots=True)
class RecordedLine:
    """A line as it was recorded, and how it is read.

    Args:
        settings: with the topic prefix of the recorded line.
        source: what it is read from.
        homes: H.
        start: only records with this timestamp or a later one, ms since 1970 UTC.
        end: only records with an earlier timestamp.
        batch: records that are read at a time.
    """

    settings: Settings
    path: Path
    source: Source
    homes: int
    batch: int = BATCH
    start: int | None = None
    end: int | None = None

    @classmethod
    def of(
        cls,
        settings: Settings,
        path: Path,
        source: Source | None = None,
        *,
        batch: int = BATCH,
        start: int | None = None,
        end: int | None = None,
    ) -> Self:
        """Returns the line in a recording.

        Args:
            source: None: features where they fit the model, else raw records.

        Raises:
            RecordingError: it cannot be read, or has not what is wanted.
            WeightsError: the model's card cannot be read.
        """
        recording = Recording(path)
        settings = settings_of(recording, settings)
        source = source_of(recording, settings, source)
        return cls(settings, path, source, homes_of(recording, settings), batch, start, end)

    @property
    def topics(self) -> Topics:
        return Topics.of(self.settings)

    def other_window(self) -> float | None:
        """Returns the window that the line had, s, by its decisions, where the settings have
        another one."""
        recording = Recording(self.path)
        names = [self.topics.decisions] if self.topics.decisions in recording.topics else []
        for record in recording.records(names):
            if (decision := our_decision(record, tell=False)) is not None:
                lived = (decision.passage.deadline - decision.passage.opened_at).total_seconds()
                return None if ms(lived) == self.settings.window_ms else lived
        return None

    def batches(
        self, recording: Recording, topics: Collection[str], partitions: Collection[int] | None
    ) -> Iterator[list[Record]]:
        """Yields the records of some topics in time order, a batch at a time."""
        records = recording.records(topics, start=self.start, end=self.end, partitions=partitions)
        return iter(lambda: list(islice(records, self.batch)), [])


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
