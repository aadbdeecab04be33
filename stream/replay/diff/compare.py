"""Compares two sets of decisions: pure but for the temporary file of `Store`.

comparison = Comparison(policy)
comparison.add(0, decision)   # of A
comparison.add(1, decision)   # of B
report = comparison.report()
"""

import heapq
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from math import floor
from typing import NamedTuple

from agents.decide.policy import Policy
from schemas.decision import Decision
from stream.replay.diff.facts import Changes, Facts, Stay, changes
from stream.replay.diff.store import Side, Store
from stream.replay.diff.worth import NOTHING, Worth
from stream.replay.pairing import pair

TOLERANCE = 0.01
GAIN_BIN = 1
"""Currency units by which gains are counted."""
CONFIDENCE_BINS = 20
ABSENT = "none"
"""In the table of options: there is no such stay."""


class Pair(NamedTuple):
    """One stay as both sides decided it; None: that side did not."""

    a: Facts | None
    """The last revision."""
    b: Facts | None
    changes: Changes

    @property
    def either(self) -> Facts:
        facts = self.a or self.b
        assert facts is not None, "a pair has a side"
        return facts

    @property
    def settled(self) -> bool:
        """Whether both sides have come equally far, so that nothing more need be waited for."""
        return self.a is not None and self.b is not None and self.a.revision == self.b.revision

    @property
    def gain(self) -> Worth:
        """What B brings more than A: nothing where the unit goes the same way."""
        a, b = self.a, self.b
        if a is None or b is None or a.option == b.option or a.worth is None or b.worth is None:
            return NOTHING
        return b.worth.less(a.worth)


@dataclass(slots=True)
class Report:
    """What a comparison found. Counts are of stays."""

    currency: str
    co2_weight: float
    """Currency for each kg of CO2e."""
    decisions: tuple[int, int]
    """Different decisions of A and of B."""
    repeats: tuple[int, int]
    """Decisions of a revision that had come before."""
    pairs: int = 0
    """In both sets."""
    different: int = 0
    only_a: int = 0
    only_b: int = 0
    awaited: int = 0
    """Not judged yet: the other side may still decide."""
    aspects: Counter[str] = field(default_factory=Counter)
    options: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Stays by the options of A and B, `ABSENT` where a side has none."""
    gained: Worth = NOTHING
    """Where B routes to more than A, together."""
    lost: Worth = NOTHING
    """Where it routes to less; below zero."""
    gains: Counter[int] = field(default_factory=Counter)
    """Stays that are routed otherwise by what B gains, in bins of `GAIN_BIN`, CO2 included."""
    confidences: Counter[tuple[int, int]] = field(default_factory=Counter)
    """Pairs by the confidences of A and B, each in `CONFIDENCE_BINS` bins."""
    worst: list[Pair] = field(default_factory=list)
    """What differs: absent stays first, then by what B loses."""

    @property
    def same(self) -> bool:
        return not self.different


class Comparison:
    """Two sets of decisions, A and B.

    Args:
        policy: its table says what options are worth, on both sides.
        tolerance: by how much confidences may differ.
        ignore: aspects that do not count as a difference.
        since: only stays that opened (on the side where they did so first) at this time or later,
            ms since 1970 UTC.
        until: only stays that opened before it.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        tolerance: float = TOLERANCE,
        ignore: Collection[str] = (),
        since: int | None = None,
        until: int | None = None,
    ) -> None:
        self._policy = policy
        self._tolerance = tolerance
        self._ignore = frozenset(ignore)
        self._since, self._until = since, until
        self._store = Store()
        self._added: Counter[tuple[Side, bool]] = Counter()
        """Decisions by side and whether they were new."""

    def add(self, side: Side, decision: Decision) -> None:
        """Takes a decision of A (0) or B (1), in any order."""
        new = self._store.add(side, Facts.of(decision, self._policy))
        self._added[side, new] += 1

    def unit(self, unit_id: str) -> list[Pair]:
        """Returns the stays of one unit as far as they are known."""
        return list(self._pairs(*self._store.unit(unit_id)))

    def report(self, worst: int | None = None, awaited: Collection[str] = ()) -> Report:
        """Returns what was found.

        Args:
            worst: so many differing stays are listed; None: all.
            awaited: units whose stays are not judged unless both sides have come equally far.
        """
        decisions, repeats = ((self._added[0, new], self._added[1, new]) for new in (True, False))
        report = Report(self._policy.currency, self._policy.co2_weight, decisions, repeats)
        differing = self._tally(report, awaited)
        if worst is None:
            report.worst = sorted(differing, key=self._rank)
        else:
            report.worst = heapq.nsmallest(worst, differing, key=self._rank)
            for _ in differing:
                pass  # nsmallest(0) reads none
        return report

    def _tally(self, report: Report, awaited: Collection[str]) -> Iterator[Pair]:
        """Counts all pairs, and yields those that differ."""
        for unit_id, stays in self._store.units():
            for found in self._pairs(*stays):
                if unit_id in awaited and not found.settled:
                    report.awaited += 1
                    continue
                self._count(report, found)
                if found.changes:
                    yield found

    def _count(self, report: Report, found: Pair) -> None:
        a, b, gain = found.a, found.b, found.gain
        report.only_a += b is None
        report.only_b += a is None
        report.options[a.option if a else ABSENT, b.option if b else ABSENT] += 1
        report.different += bool(found.changes)
        report.aspects.update(list(found.changes))
        if a is not None and b is not None:
            report.pairs += 1
            report.confidences[_bin(a.confidence), _bin(b.confidence)] += 1
            if a.option != b.option:
                total = gain.total(report.co2_weight)
                report.gains[floor(total / GAIN_BIN)] += 1
                if total >= 0:
                    report.gained = report.gained.plus(gain)
                else:
                    report.lost = report.lost.plus(gain)

    def _pairs(self, a: list[Stay], b: list[Stay]) -> Iterator[Pair]:
        found = pair(*([stay[-1].evidence | stay[-1].times for stay in side] for side in (a, b)))
        of_a: list[tuple[Stay | None, Stay | None]] = [
            (stay, b[found[i]] if i in found else None) for i, stay in enumerate(a)
        ]
        matched = set(found.values())
        for one, other in of_a + [(None, stay) for j, stay in enumerate(b) if j not in matched]:
            if self._in_range(one, other):
                different = changes(one, other, self._tolerance)
                yield Pair(
                    one[-1] if one else None,
                    other[-1] if other else None,
                    {name: both for name, both in different.items() if name not in self._ignore},
                )

    def _in_range(self, one: Stay | None, other: Stay | None) -> bool:
        opened = min(stay[-1].opened_at for stay in (one, other) if stay)
        return (self._since is None or opened >= self._since) and (
            self._until is None or opened < self._until
        )

    def _rank(self, found: Pair) -> tuple[bool, float, float, str]:
        a, b = found.a, found.b
        if a is None or b is None:
            return False, 0.0, 0.0, found.either.unit_id
        gain = found.gain.total(self._policy.co2_weight)
        return True, gain, b.confidence - a.confidence, a.unit_id


def _bin(share: float) -> int:
    return min(int(share * CONFIDENCE_BINS), CONFIDENCE_BINS - 1)
