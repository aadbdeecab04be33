"""What counts: of every passage its last revision, and of all passages the most recent ones."""

from dataclasses import dataclass
from datetime import datetime

from schemas.decision import Decision, Evidence


@dataclass(frozen=True, slots=True)
class DecidedPassage:
    """What is kept of a decision."""

    passage_id: str
    unit_id: str
    revision: int
    opened_at: datetime
    used: tuple[Evidence, ...]
    """One observation of each modality that arrived."""

    @classmethod
    def of(cls, decision: Decision) -> "DecidedPassage":
        """Of several observations of a modality the newest counts; ties: the larger id."""
        by_age = sorted(decision.evidence, key=lambda e: (e.captured_at, e.observation_id))
        newest = {e.modality: e for e in by_age}
        return cls(
            decision.passage_id,
            decision.unit_id,
            decision.revision,
            decision.passage.opened_at,
            tuple(newest.values()),
        )


class RecentPassages:
    """Takes decisions in any order; remembers at most twice as many passages as are wanted.

    Args:
        limit: how many, at least 1.
    """

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise ValueError(f"a limit of {limit} passages is less than 1")
        self._limit = limit
        self._passages: dict[str, DecidedPassage] = {}

    def add(self, decision: Decision) -> None:
        """A provisional one does not count; of one revision that came twice the first does."""
        if decision.status == "provisional":
            return
        known = self._passages.get(decision.passage_id)
        if known is None or decision.revision > known.revision:
            self._passages[decision.passage_id] = DecidedPassage.of(decision)
            if len(self._passages) > 2 * self._limit:
                self._passages = {passage.passage_id: passage for passage in self.newest()}

    def newest(self) -> list[DecidedPassage]:
        """Returns those that opened last, in the order of their opening."""
        passages = sorted(self._passages.values(), key=lambda p: (p.opened_at, p.passage_id))
        return passages[-self._limit :]
