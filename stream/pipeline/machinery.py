"""What every generation of the pipeline works with."""

import time
from collections.abc import Callable, Collection
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Protocol

from agents.decide.disassembly import DisassemblyTable
from agents.decide.policy import Policy
from agents.distiller.hierarchy import HierarchicalDistillation
from stream.kafka.topics import Topics
from stream.metrics import Metrics
from stream.pipeline.intake import Intake
from stream.pipeline.publisher import Publisher
from stream.pipeline.record import TopicPartition
from stream.settings import Settings


def boottime() -> float:
    """Seconds that also count while the machine is suspended (where the system can tell)."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


@dataclass(frozen=True, slots=True)
class Clock:
    """Processing time and the wall clock, handed to whoever needs them."""

    now: Callable[[], float] = boottime
    """Processing time, s; never goes back."""
    wall_ms: Callable[[], int] = field(default=lambda: time.time_ns() // 1_000_000)
    """ms since 1970 UTC."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How far a topic-partition has been read."""

    caught_up: bool
    """The read position has reached the highwater mark."""
    handed: int
    """Offset of the last record that was handed out, -1 before the first."""
    polled_at: int | None
    """When the broker last answered a fetch of it, ms since 1970 UTC."""


class Consumer(Protocol):
    """The side of the consumer that a generation asks, apart from the records it is given."""

    def reading(self, tp: TopicPartition) -> Reading: ...

    def pause(self, tps: Collection[TopicPartition]) -> None:
        """Stop fetching from these, and fetch from all others again."""

    def rejoin(self) -> None:
        """Ask the group for a new assignment."""


@dataclass(frozen=True, slots=True)
class Machinery:
    """The parts that outlive a rebalance."""

    settings: Settings
    topics: Topics
    partitions: int
    """P, the partition count of all co-partitioned topics."""
    intake: Intake
    distiller: HierarchicalDistillation
    policy: Policy
    disassembly: DisassemblyTable
    publisher: Publisher
    consumer: Consumer
    executor: Executor
    clock: Clock
    metrics: Metrics
