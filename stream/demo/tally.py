"""What is known of a running line at any moment, and follows it to find out."""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from aiokafka import AIOKafkaConsumer

from schemas.decision import Decision
from schemas.decision_reading import read_decision
from schemas.modality import Modality
from stream.demo.line import Item
from stream.kafka.connection import client_options, connecting, stop_client
from stream.kafka.topics import Topics
from stream.settings import Settings, ms


@dataclass(slots=True)
class Tally:
    """Counts and times of one run, in which no unit comes twice."""

    records: int
    """That will be sent."""
    units: int
    """That will have to be decided."""
    sent: int = 0
    seen: defaultdict[str, dict[Modality, float]] = field(default_factory=lambda: defaultdict(dict))
    """By unit, when each observation was first sent, wall clock in s."""
    decided: dict[str, Decision] = field(default_factory=dict)
    """By unit the newest revision that is not provisional."""
    reactions: list[float] = field(default_factory=list)
    """From the last observation of a complete passage to its first decision, in s."""
    late: int = 0
    dead_letters: int = 0

    def note_sent(self, item: Item, at: float) -> None:
        """A station has sent something, at a wall clock in s."""
        self.sent += 1
        if item.modality is not None:
            self.seen[item.unit_id].setdefault(item.modality, at)

    def note_decision(self, decision: Decision, at: float) -> None:
        """The MES has received a revision, at a wall clock in s."""
        if decision.status == "provisional":
            return
        if decision.unit_id not in self.decided and decision.passage.closed_by == "complete":
            self.reactions.append(at - max(self.seen[decision.unit_id].values(), default=at))
        self.decided[decision.unit_id] = decision

    async def follow(self, settings: Settings) -> None:
        """Reads all that workers publish for people, for ever.

        Raises:
            BrokerUnreachable: no broker answers.
        """
        topics = Topics.of(settings)
        consumer = AIOKafkaConsumer(
            *(topics.decisions, topics.late, topics.dead_letter),
            **client_options(settings),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=ms(settings.fetch_max_wait),
        )
        try:
            async with connecting(settings.bootstrap_servers):
                await consumer.start()
            async for record in consumer:
                if record.topic == topics.decisions:
                    self.note_decision(read_decision(record.value), time.time())
                elif record.topic == topics.late:
                    self.late += 1
                else:
                    self.dead_letters += 1
        finally:
            await stop_client(consumer)


def percentiles(seconds: Sequence[float]) -> dict[str, float | None]:
    """Returns the nearest-rank `p50` and `p99` in ms; None of nothing."""
    if not seconds:
        return {"p50": None, "p99": None}
    p50, p99 = np.percentile(seconds, (50, 99), method="inverted_cdf") * 1000
    return {"p50": round(float(p50), 1), "p99": round(float(p99), 1)}
