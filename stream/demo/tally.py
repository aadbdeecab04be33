"""What is known of a running line at any moment: fed with what is sent and what is decided."""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import ceil

from schemas.decision import Decision
from schemas.modality import Modality
from stream.demo.line import Item, Sent

LATEST = 6
"""Decisions that the board shows."""


@dataclass(slots=True)
class Stay:
    """A unit on the line."""

    sent: dict[Modality, float] = field(default_factory=dict)
    """When each observation was first sent, wall clock in s."""
    decided: bool = False
    """More than provisionally."""


@dataclass(slots=True)
class Tally:
    """Counts and times of one run, in which no unit comes twice."""

    total: int
    """Items that will be sent."""
    passages: int
    """Stays that will have to be decided."""
    sent: int = 0
    stays: dict[str, Stay] = field(default_factory=dict)
    last: dict[str, Decision] = field(default_factory=dict)
    """By passage_id the newest revision."""
    latest: deque[Decision] = field(default_factory=lambda: deque(maxlen=LATEST))
    reactions: list[float] = field(default_factory=list)
    """From the last observation of a complete passage to its decision, in s."""
    waits: list[float] = field(default_factory=list)
    """From the end of a window to the decision of what had come by then, in s."""
    amended: int = 0
    late: int = 0
    dead_letters: int = 0

    def note_sent(self, item: Item, at: float) -> None:
        """A station has sent something, at a wall clock in s."""
        self.sent += 1
        if isinstance(item, Sent) and item.passage is not None:
            stay = self.stays.setdefault(item.observation.unit_id, Stay())
            stay.sent.setdefault(item.observation.modality, at)

    def note_decision(self, decision: Decision, at: float) -> None:
        """The MES has received a revision, at a wall clock in s."""
        self.last[decision.passage_id] = decision
        self.latest.append(decision)
        self.amended += decision.status == "amended"
        stay = self.stays.setdefault(decision.unit_id, Stay())
        if decision.status == "provisional" or stay.decided:
            return
        stay.decided = True
        if decision.passage.closed_by == "complete":
            sent = [stay.sent[e.modality] for e in decision.evidence if e.modality in stay.sent]
            if sent:
                self.reactions.append(at - max(sent))
        else:
            self.waits.append(at - decision.passage.deadline.timestamp())

    @property
    def decided(self) -> int:
        """Stays that were decided more than provisionally."""
        return sum(stay.decided for stay in self.stays.values())

    @property
    def options(self) -> Counter[str]:
        """Where units go."""
        return Counter(decision.routing.option.value for decision in self.last.values())

    @property
    def in_flight(self) -> Counter[int]:
        """Undecided units, by how many modalities have been seen of them."""
        waiting = (stay for stay in self.stays.values() if not stay.decided)
        return Counter(len(stay.sent) for stay in waiting)


def percentile(values: Iterable[float], percent: float) -> float | None:
    """The nearest-rank percentile; None of nothing."""
    ranked = sorted(values)
    return ranked[max(ceil(len(ranked) * percent / 100), 1) - 1] if ranked else None
