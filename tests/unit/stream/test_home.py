"""A home partition waits for what others forward, and tells what runs ahead."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from agents.decide.policy import Policy
from agents.join import Arrival, Origin, Revision
from schemas.modality import Modality
from stream.kafka.topics import Topics
from stream.pipeline.home import Home
from stream.pipeline.intake import Misrouted
from stream.pipeline.machinery import Machinery
from stream.pipeline.progress import Progress
from stream.pipeline.record import Record
from stream.settings import Settings

WALL = 1_700_000_000_000
SETTINGS = Settings(
    modalities=(Modality.VISUAL, Modality.TEXT),
    window=10,
    grace=5,
    max_out_of_orderness=0,
    idle_timeout=5,
    outage_hold=0,
)
TOPICS = Topics.of(SETTINGS)


@dataclass
class Line:
    """Home partition 0 of 3, fed by hand; event times in s after `WALL`."""

    now: float = 0.0
    home: Home = field(init=False)

    def __post_init__(self) -> None:
        machinery = SimpleNamespace(
            settings=SETTINGS, topics=TOPICS, partitions=3, policy=Policy.load()
        )
        self.home = Home(0, cast(Machinery, machinery), self.now)

    def arrive(self, unit: str, modality: Modality, at: int, origin: int = 0) -> list[Any]:
        topic = TOPICS.observation(modality) if origin == 0 else TOPICS.repartition
        arrival = Arrival(
            unit, modality, f"{modality}@{at}", WALL + at * 1000, "s", Origin(topic, origin, at)
        )
        return self.take(topic, arrival)

    def take(self, topic: str, item: Any) -> list[Any]:
        record = Record(topic, 0, 0, WALL, None, None)
        return self.home.take(record, item, self.now)

    def advance(self, after: float = 0.0, *, unread: bool = False) -> list[str]:
        """Everything has been read, and so many seconds pass: the units decided."""
        self.now += after
        ended = set(self.home.tps) - ({self.home.repartition} if unread else set())
        outputs = self.home.advance(self.now, WALL, ended, answering=True)
        return [o.unit_id for o in outputs if isinstance(o, Revision)]


def both(line: Line, at: int) -> None:
    line.arrive(f"LT-{at}", Modality.VISUAL, at)
    line.arrive(f"other-{at}", Modality.TEXT, at)


def test_well_routed_modalities_close_a_window() -> None:
    line = Line()
    both(line, 0)
    assert line.advance() == []
    both(line, 10)
    assert line.advance() == ["LT-0", "other-0"]


def test_where_a_topic_is_mixed_the_other_partitions_are_awaited() -> None:
    line = Line()
    both(line, 0)
    line.take(TOPICS.observation(Modality.VISUAL), Misrouted(1, Modality.VISUAL, WALL))
    both(line, 10)
    assert line.advance() == []  # partitions 1 and 2 may still hold a photograph of LT-0
    line.take(TOPICS.repartition, Progress(Modality.VISUAL, 1, WALL + 10_000))
    assert line.advance() == []
    line.arrive("LT-9", Modality.VISUAL, 10, origin=2)
    assert line.advance() == ["LT-0", "other-0"]


def test_partitions_that_tell_nothing_are_not_awaited_for_ever() -> None:
    line = Line()
    both(line, 0)
    line.take(TOPICS.observation(Modality.VISUAL), Misrouted(1, Modality.VISUAL, WALL))
    line.advance(4)
    both(line, 10)
    assert line.advance() == []
    assert line.advance(1) == ["LT-0", "other-0"]


def test_forwarded_records_that_wait_keep_every_source_awake() -> None:
    line = Line()
    both(line, 0)
    line.now = 60
    line.arrive("LT-10", Modality.VISUAL, 10)
    assert line.advance(unread=True) == []
    assert line.advance() == ["LT-0", "other-0"]  # the silent text no longer counts


def test_ahead_is_what_does_not_hold_the_watermark_back() -> None:
    line = Line()
    line.arrive("LT-0", Modality.VISUAL, 0)
    line.arrive("LT-0", Modality.TEXT, 8)
    assert line.home.ahead(line.now) == {line.home.inputs[Modality.TEXT]}
    line.arrive("LT-8", Modality.VISUAL, 8)
    assert line.home.ahead(line.now) == set()


def test_a_mixed_topic_is_read_on_for_the_sake_of_its_forwarded_part() -> None:
    line = Line()
    line.arrive("LT-5", Modality.VISUAL, 5)
    line.arrive("LT-8", Modality.TEXT, 8)
    line.take(TOPICS.repartition, Progress(Modality.VISUAL, 1, WALL))
    assert line.home.ahead(line.now) == {line.home.inputs[Modality.TEXT]}
