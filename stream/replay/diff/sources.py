"""Where decisions to be compared come from: a recording, a file, or a topic.

DIR           a recording; DIR#TOPIC where it has several topics of decisions
FILE          one decision a line, as `regrade decisions --json` prints them
NAME          a topic of the cluster in the settings, by its full name
topic://NAME  the same, where a file is called like it
topic://HOST:PORT/NAME  a topic of another cluster
"""

import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

from schemas.decision import Decision
from schemas.decision_reading import read_decision
from schemas.errors import RecordError
from stream.clients.decision_reader import DecisionReader
from stream.errors import DiffError
from stream.replay.recording import Recording
from stream.settings import Settings

DECISIONS = re.compile(r"routing\.decisions(\.shadow-[^#]+)?$")
"""How the name of a topic of decisions ends."""


class Source(ABC):
    """One set of decisions.

    Attributes:
        name: as it was asked for.
        skipped: records that are no decisions, of those that have been read.
        damage: what of a recording could not be read, in words.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.skipped = 0
        self.damage: tuple[str, ...] = ()

    @abstractmethod
    def decisions(self) -> AsyncIterator[Decision]:
        """Yields them in the order of each unit's log.

        Raises:
            RegradeError: they cannot be read.
        """

    def _read(self, value: bytes | None) -> list[Decision]:
        try:
            return [read_decision(value)]
        except RecordError:
            self.skipped += 1
            return []


class FileSource(Source):
    """JSON lines."""

    async def decisions(self) -> AsyncIterator[Decision]:
        try:
            with open(self.name, "rb") as file:  # noqa: ASYNC230  nobody else waits here
                for line in file:
                    for decision in self._read(line) if line.strip() else ():
                        yield decision
        except OSError as error:
            raise DiffError(f"{self.name} cannot be read: {error.strerror}") from error


class RecordingSource(Source):
    """One topic of a recording."""

    async def decisions(self) -> AsyncIterator[Decision]:
        path, _, topic = self.name.partition("#")
        recording = Recording(Path(path))
        topics = [topic] if topic else [name for name in recording.topics if DECISIONS.search(name)]
        if len(topics) != 1:
            has = f"several: {', '.join(topics)}" if topics else "none"
            raise DiffError(
                f"which topic of {path} has the decisions? Name it, as {path}#TOPIC; of those that"
                f" are called like one it has {has}"
            )
        for record in recording.records(topics):
            for decision in self._read(record.value):
                yield decision
        self.damage = tuple(
            f"{each.file} from byte {each.start}: {each.why}" for each in recording.damage
        )


class TopicSource(Source):
    """A topic, to its present end or on and on."""

    def __init__(self, name: str, topic: str, settings: Settings, *, follow: bool) -> None:
        super().__init__(name)
        self._topic, self._settings, self._follow = topic, settings, follow

    async def decisions(self) -> AsyncIterator[Decision]:
        reader = DecisionReader(group=None, follow=self._follow, settings=self._settings)
        reader.topic = self._topic
        async with reader:
            async for decision in reader:
                self.skipped = reader.skipped
                yield decision
            self.skipped = reader.skipped


def source_of(name: str, settings: Settings, *, follow: bool = False) -> Source:
    """Returns the source that a name means.

    Args:
        follow: wait for more; for topics alone.

    Raises:
        DiffError: it is no topic, and has to be one.
    """
    if name.startswith("topic://"):
        address = urlsplit(name)
        topic = address.path.removeprefix("/") or address.netloc
        if topic != address.netloc:
            settings = settings.model_copy(update={"bootstrap_servers": address.netloc})
        return TopicSource(name, topic, settings, follow=follow)
    path = Path(name.partition("#")[0])
    if not path.exists():
        if "/" in name or "#" in name or path.suffix in (".json", ".jsonl"):
            raise DiffError(f"there is no file or folder {path}")
        return TopicSource(name, name, settings, follow=follow)
    if follow:
        raise DiffError(f"{name} does not grow: only topics can be followed; write topic://{name}")
    return RecordingSource(name) if path.is_dir() else FileSource(name)
