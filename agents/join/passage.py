"""One stay of a unit on the line: its observations, its times and how far it is decided."""

from collections.abc import Collection
from datetime import datetime
from enum import Enum
from typing import Any

from agents.join.arrival import Arrival, EvidenceKey, Status
from schemas.decision import Decision
from schemas.ids import decision_id_of, passage_id_of
from schemas.modality import Modality


def ms_of(time: datetime) -> int:
    """Whole ms since 1970 UTC."""
    return int(time.timestamp() * 1000 + 0.5)


class Stage(Enum):
    """How far a passage is. It only moves downwards."""

    OPEN = 1
    PROVISIONAL = 2
    DECIDED = 3
    RETIRED = 4
    """A tombstone: remembers which observations were its own, so that repeats open nothing."""


class Passage:
    """State of one passage. `Join` decides what happens to it; this only keeps the books."""

    __slots__ = (
        "awaited",
        "behind",
        "members",
        "newest_at",
        "opened_at",
        "passage_id",
        "published",
        "revision",
        "stage",
        "tokens",
        "unit_id",
    )

    def __init__(self, unit_id: str, captured_at: int) -> None:
        self.unit_id = unit_id
        self.opened_at = captured_at
        """Earliest event time, ms."""
        self.newest_at = captured_at
        """Latest event time, ms."""
        self.members: dict[EvidenceKey, Arrival] = {}
        self.tokens: list[Any] = []
        """Records that finish when this passage is retired."""
        self.stage = Stage.OPEN
        self.behind = False
        """Whether event time had passed its deadline when it opened."""
        self.passage_id: str | None = None
        self.revision = 0
        self.published: frozenset[EvidenceKey] = frozenset()
        """Evidence of the last revision."""
        self.awaited: set[EvidenceKey] = set()
        """Evidence of a revision read from the decision log that has not been replayed yet."""

    @classmethod
    def restored(cls, decision: Decision) -> "Passage":
        """The passage as the last published decision describes it, its features still missing."""
        times = {
            EvidenceKey(e.modality, e.observation_id): ms_of(e.captured_at)
            for e in decision.evidence
        }
        passage = cls(decision.unit_id, min(times.values()))
        passage.newest_at = max(times.values())
        passage.passage_id = decision.passage_id
        passage.revision = decision.revision
        passage.published = frozenset(times)
        passage.awaited = set(times)
        passage.stage = Stage.PROVISIONAL if decision.status == "provisional" else Stage.DECIDED
        return passage

    def fits(self, captured_at: int, window: int) -> bool:
        """Whether the passage, with an observation of that time, still spans at most `window`."""
        return max(self.newest_at, captured_at) - min(self.opened_at, captured_at) <= window

    def knows(self, key: EvidenceKey) -> bool:
        return key in self.members or key in self.awaited or key in self.published

    def add(self, key: EvidenceKey, arrival: Arrival) -> None:
        self.members[key] = arrival
        self.tokens.append(arrival.token)
        self.opened_at = min(self.opened_at, arrival.captured_at)
        self.newest_at = max(self.newest_at, arrival.captured_at)

    @property
    def size(self) -> int:
        """How many observations it has, those included that have not been replayed yet."""
        return len(self.members) + len(self.awaited)

    def has_news(self) -> bool:
        """Whether there is evidence that no revision lists yet."""
        return not self.published.issuperset(self.members)

    def missing(self, expected: tuple[Modality, ...]) -> tuple[Modality, ...]:
        """Expected modalities of which no observation is at hand."""
        present = {modality for modality, _ in self.members}
        return tuple([modality for modality in expected if modality not in present])

    def evidence(self) -> tuple[Arrival, ...]:
        return tuple(
            sorted(
                self.members.values(),
                key=lambda a: (a.captured_at, a.modality, a.observation_id),
            )
        )

    def name_apart_from(self, taken: Collection[str | None]) -> None:
        """Take the passage's name from `opened_at`, before its first decision.

        Where stays are not separate, a sibling that has been re-anchored since may bear that name;
        then the next earlier one that is free (every name is that of an instant not after
        `newest_at`, so that a passage's tombstone guards it for as long as it could be taken).
        """
        at = self.opened_at
        while (name := passage_id_of(self.unit_id, at)) in taken:
            at -= 1
        self.passage_id = name

    def next_revision(self) -> tuple[str, int, str | None]:
        """Count one revision on; gives its decision_id, number and what it supersedes."""
        assert self.passage_id is not None, "named before its first decision"
        supersedes = decision_id_of(self.passage_id, self.revision) if self.revision else None
        self.revision += 1
        return decision_id_of(self.passage_id, self.revision), self.revision, supersedes

    def status_of_next(self, *, provisional: bool) -> Status:
        if provisional:
            return "provisional"
        return "amended" if self.stage is Stage.DECIDED else "final"
