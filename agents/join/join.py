"""The join: an N-way, event-time, windowed outer join by unit, for one home partition.

A state machine without I/O or clock: `observe` and `advance` take an event and return what is to
be done, in order. What it promises: `agents/README.md`, "The join".
"""

import heapq
from collections.abc import Iterator, Sequence
from enum import IntEnum
from itertools import count

from agents.join.arrival import (
    BEGINNING,
    Arrival,
    EvidenceKey,
    Excess,
    Finished,
    JoinConfig,
    Output,
    Revision,
    TooLate,
)
from agents.join.passage import Passage, Stage
from schemas.decision import Decision


class Due(IntEnum):
    """What a timer does; at equal times in this order."""

    PROVISIONAL = 1
    DEADLINE = 2
    RETIRE = 3
    FORGET = 4


class Join:
    """Passages of the units of one home partition.

    Attributes:
        watermark: no observation older than this is expected any more, ms.
        open_passages: passages that hold observations and are not retired.
        duplicates: observations that came again.
        inseparable: observations whose stay could not be told apart from another one.
    """

    def __init__(self, config: JoinConfig) -> None:
        self.config = config
        self.watermark = BEGINNING
        self.open_passages = 0
        self.duplicates = 0
        self.inseparable = 0
        self.reached = BEGINNING
        """How far event time had come before a restart where only the decision log tells, ms."""
        self._units: dict[str, list[Passage]] = {}
        self._timers: list[tuple[int, int, int, Passage]] = []
        self._sequence = count()

    # -- events ---------------------------------------------------------------------------

    def restore(self, decision: Decision) -> None:
        """Take note of a published decision (before any observation, in the log's order).

        Of several revisions of a passage the highest counts; of the same decision_id the first.
        """
        passages = self._units.setdefault(decision.unit_id, [])
        for index, known in enumerate(passages):
            if known.passage_id == decision.passage_id:
                if known.revision >= decision.revision:
                    return
                known.stage = Stage.RETIRED
                del passages[index]
                break
        passage = Passage.restored(decision)
        passages.append(passage)
        self._set_timers(passage)

    def observe(self, arrival: Arrival) -> list[Output]:
        """An observation has arrived."""
        key = arrival.key
        passages = self._units.get(arrival.unit_id, ())
        for passage in passages:
            if passage.knows(key):
                return self._observe_known(passage, key, arrival)
        fitting = self._choose(passages, arrival.captured_at)
        if fitting is None:
            retired_at = arrival.captured_at + self.config.window + self.config.grace
            if retired_at <= max(self.watermark, self.reached):
                return [TooLate(arrival)]
            self._count_inseparable(passages, arrival.captured_at, own=0)
            fitting = self._open(key, arrival)
        elif fitting.size >= self.config.max_evidence:
            return [Excess(arrival)]
        else:
            self._count_inseparable(passages, arrival.captured_at, own=1)
            anchor = fitting.opened_at
            self._add(fitting, key, arrival)
            if fitting.opened_at < anchor:
                self._set_timers(fitting)
        return [*self._evaluate(fitting), *self._run_due()]

    def advance(self, watermark: int) -> list[Output]:
        """The watermark has moved; an older one than the last changes nothing."""
        self.watermark = max(self.watermark, watermark)
        return list(self._run_due())

    # -- passages -------------------------------------------------------------------------

    def _observe_known(self, passage: Passage, key: EvidenceKey, arrival: Arrival) -> list[Output]:
        if key not in passage.awaited or passage.stage is Stage.RETIRED:
            self.duplicates += 1
            return [Finished((arrival.token,))]
        # Replayed: a published decision lists it, so by itself it changes nothing.
        passage.awaited.discard(key)
        self._add(passage, key, arrival)
        return self._evaluate(passage)

    def _choose(self, passages: Sequence[Passage], at: int) -> Passage | None:
        # What comes before evidence that a published decision lists, and is not listed itself, was
        # no part of that passage when it was decided: the decision has all that came until then.
        # (Unless it was refused, because the passage was full: the evidence that filled it may have
        # been acknowledged by now, and then it does not come again.)
        window, full = self.config.window, self.config.max_evidence
        fitting = [
            p
            for p in passages
            if p.stage is not Stage.RETIRED
            and (not p.awaited or p.size >= full)
            and p.fits(at, window)
        ]
        return min(fitting, key=lambda p: (abs(at - p.opened_at), p.opened_at), default=None)

    def _count_inseparable(self, passages: Sequence[Passage], at: int, *, own: int) -> None:
        # Retired passages too: the observation would have been near them, had it come earlier.
        window = self.config.window
        near = [p for p in passages if p.opened_at - window <= at <= p.newest_at + window]
        self.inseparable += len(near) > own

    def _open(self, key: EvidenceKey, arrival: Arrival) -> Passage:
        passage = Passage(arrival.unit_id, arrival.captured_at)
        passage.behind = self.watermark >= passage.opened_at + self.config.window
        self._add(passage, key, arrival)
        self._units.setdefault(arrival.unit_id, []).append(passage)
        self._set_timers(passage)
        return passage

    def _add(self, passage: Passage, key: EvidenceKey, arrival: Arrival) -> None:
        self.open_passages += not passage.members
        passage.add(key, arrival)

    def _evaluate(self, passage: Passage, *, retiring: bool = False) -> list[Output]:
        """Decide the passage if it is time to, on all of its evidence."""
        if passage.awaited or passage.stage is Stage.RETIRED:
            return []  # a revision must not have less evidence than the last one published
        if passage.stage is Stage.DECIDED:
            return [self._revise(passage, provisional=False)] if passage.has_news() else []
        # What opened behind its deadline came in one go, from a handheld say: more is to follow.
        age = self.watermark - passage.opened_at
        due = age >= self.config.window and not passage.behind
        if due or retiring or not passage.missing(self.config.expected(passage.unit_id)):
            return [self._revise(passage, provisional=False)]
        after = self.config.provisional_after
        early = passage.stage is Stage.OPEN and not passage.behind
        if early and after is not None and age >= after:
            return [self._revise(passage, provisional=True)]
        return []

    def _revise(self, passage: Passage, *, provisional: bool) -> Revision:
        status = passage.status_of_next(provisional=provisional)
        if passage.passage_id is None:
            others = self._units[passage.unit_id]
            passage.name_apart_from({p.passage_id for p in others if p is not passage})
        decision_id, revision, supersedes = passage.next_revision()
        passage.stage = Stage.PROVISIONAL if provisional else Stage.DECIDED
        passage.published = frozenset(passage.members)
        missing = passage.missing(self.config.expected(passage.unit_id))
        assert passage.passage_id is not None
        return Revision(
            passage_id=passage.passage_id,
            decision_id=decision_id,
            unit_id=passage.unit_id,
            revision=revision,
            supersedes=supersedes,
            status=status,
            closed_by="provisional" if provisional else "window" if missing else "complete",
            opened_at=passage.opened_at,
            deadline=passage.opened_at + self.config.window,
            evidence=passage.evidence(),
            missing=missing,
        )

    def _retire(self, passage: Passage) -> Iterator[Output]:
        passage.stage = Stage.RETIRED
        self.open_passages -= bool(passage.members)
        if passage.tokens:
            yield Finished(tuple(passage.tokens))
        passage.published |= frozenset(passage.members)
        passage.members, passage.tokens = {}, []

    def _forget(self, passage: Passage) -> None:
        passages = self._units[passage.unit_id]
        passages.remove(passage)
        if not passages:
            del self._units[passage.unit_id]

    # -- timers ---------------------------------------------------------------------------

    def _set_timer(self, passage: Passage, due: Due, at: int) -> None:
        heapq.heappush(self._timers, (at, due, next(self._sequence), passage))

    def _set_timers(self, passage: Passage) -> None:
        deadline = passage.opened_at + self.config.window
        if self.config.provisional_after is not None:
            at = passage.opened_at + self.config.provisional_after
            self._set_timer(passage, Due.PROVISIONAL, at)
        self._set_timer(passage, Due.DEADLINE, deadline)
        self._set_timer(passage, Due.RETIRE, deadline + self.config.grace)

    def _run_due(self) -> Iterator[Output]:
        # Timers of an anchor that has since moved earlier find their work done and do nothing.
        while self._timers and self._timers[0][0] <= self.watermark:
            _, due, _, passage = heapq.heappop(self._timers)
            if due is Due.FORGET:
                self._forget(passage)
            elif passage.stage is Stage.RETIRED:
                continue
            elif due is Due.RETIRE:
                yield from self._evaluate(passage, retiring=True)
                yield from self._retire(passage)
                # From then on a repeat of any of its observations would be too late by itself, and
                # no passage that is still open could span it: all open more than a window later.
                at = passage.newest_at + 2 * self.config.window + self.config.grace
                self._set_timer(passage, Due.FORGET, at)
            else:
                yield from self._evaluate(passage)
