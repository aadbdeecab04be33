"""What a seed makes of the plant: its line, its modes, and what goes wrong when. Times are ms."""

from dataclasses import dataclass
from random import Random
from typing import Literal

from schemas.modality import MODALITIES, Modality

START = 1_795_600_000_000
"""The wall clock at the beginning, ms since 1970 UTC."""
SECOND = 1_000
MAX_CLOCK_SKEW = 60 * SECOND
MAX_SOURCE_LAG = 180 * SECOND
SESSION_TIMEOUT = 6 * SECOND
METADATA_AGE = 10 * SECOND
"""How often workers look for new partitions."""

Mode = Literal["live", "slow", "recording", "loaded"]
"""slow: all clocks are minutes behind. recording: sent merged by event time into a line that has
seen nothing later. loaded: the same, sent before the first worker starts."""
Kind = Literal["crash", "freeze", "stop", "join"]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that happens to the extract workers."""

    at: int
    kind: Kind
    lasts: int
    """Of a freeze; of a crash or a stop, until the worker starts again."""


@dataclass(frozen=True, slots=True)
class Growth:
    """A topic gets more partitions."""

    at: int
    topic: str
    partitions: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """One plant."""

    seed: int
    mode: Mode
    window: int
    grace: int
    idle_timeout: int
    out_of_orderness: int
    provisional_after: int | None
    homes: int
    modalities: tuple[Modality, ...]
    partitions: dict[str, int]
    """By input topic, at the beginning."""
    growths: tuple[Growth, ...]
    workers: int
    faults: tuple[Fault, ...]
    outages: tuple[tuple[int, int], ...]
    """From, until."""
    tick: int
    """How often an extract worker polls."""
    latency: int
    """How long it takes at most until a record that was sent is in its log."""
    commit_interval: int
    lasts: int
    """How long units come."""

    def random(self, part: str) -> Random:
        """Returns the random numbers of one part of the model."""
        return Random(f"{self.seed} {part}")

    @property
    def stay(self) -> int:
        """Window and grace."""
        return self.window + self.grace

    @classmethod
    def draw(cls, seed: int) -> "Scenario":
        rng = Random(seed)
        window, grace = rng.choice([(60, 30), (30, 15), (20, 10), (30, 0)])
        modalities = tuple(rng.sample(MODALITIES, rng.choice([1, 2, 2, 3, 3, 4, 6])))
        partitions = {topic_of(each): rng.randint(1, 4) for each in modalities}
        lasts = rng.randint(60, 180) * SECOND
        mode = rng.choices(("live", "slow", "recording", "loaded"), (12, 2, 3, 1))[0]
        calm = rng.random() < 0.2
        return cls(
            seed=seed,
            mode=mode,
            window=window * SECOND,
            grace=grace * SECOND,
            idle_timeout=rng.choice([3, 5, 10]) * SECOND,
            out_of_orderness=rng.choice([0, 500, 2 * SECOND]),
            provisional_after=rng.choice([None, None, window * SECOND // 3]),
            homes=rng.randint(1, 3),
            modalities=modalities,
            partitions=partitions,
            growths=() if calm else _growths(rng, partitions, lasts),
            workers=rng.randint(1, 3),
            faults=() if calm else _faults(rng, lasts),
            outages=() if calm else _outages(rng, lasts),
            tick=rng.choice([50, 100, 200]),
            latency=rng.choice([10, 50, 200, 600]),
            commit_interval=rng.choice([500, 1_000, 2_000]),
            lasts=lasts,
        )


def topic_of(modality: Modality) -> str:
    return f"units.{modality}"


def _growths(rng: Random, partitions: dict[str, int], lasts: int) -> tuple[Growth, ...]:
    chosen = [topic for topic in partitions if rng.random() < 0.15]
    return tuple(
        Growth(START + rng.randrange(lasts), topic, partitions[topic] + rng.randint(1, 2))
        for topic in chosen
    )


def _faults(rng: Random, lasts: int) -> tuple[Fault, ...]:
    kinds: tuple[Kind, ...] = ("crash", "freeze", "stop", "join")
    faults = [
        Fault(
            START + rng.randrange(lasts + 30 * SECOND),
            rng.choices(kinds, (3, 3, 1, 1))[0],
            rng.choice([1, 4, 8, 20, 45]) * SECOND,
        )
        for _ in range(rng.choice([0, 1, 1, 2, 3]))
    ]
    return tuple(sorted(faults, key=lambda fault: fault.at))


def _outages(rng: Random, lasts: int) -> tuple[tuple[int, int], ...]:
    if rng.random() < 0.7:
        return ()
    at = START + rng.randrange(lasts)
    return ((at, at + rng.choice([1, 5, 20, 60, 200]) * SECOND),)
