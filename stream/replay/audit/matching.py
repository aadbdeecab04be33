"""Which decided passage is which produced stay."""

from collections import defaultdict
from collections.abc import Sequence

from schemas.decision import Decision
from stream.replay.audit.facts import ProducedPassage


def match(
    passages: Sequence[ProducedPassage], last: Sequence[Decision]
) -> tuple[list[Decision | None], list[Decision]]:
    """Per stay the decision of its unit that lists most of its observations.

    A decision that lists none of them is not about that stay: its evidence came from elsewhere.

    Args:
        passages: the stays that were sent.
        last: the last revision of every decided passage.

    Returns:
        In the order of `passages`, the decision or None; and the decisions that remain.
    """
    by_unit: dict[str, list[Decision]] = defaultdict(list)
    for decision in last:
        by_unit[decision.unit_id].append(decision)
    stays: dict[str, list[int]] = defaultdict(list)
    for index, passage in enumerate(passages):
        stays[passage.unit_id].append(index)
    matches: list[Decision | None] = [None] * len(passages)
    taken: set[str] = set()
    for unit_id, indices in stays.items():
        pairs = [
            (shared, index, decision)
            for index in indices
            for decision in by_unit[unit_id]
            if (shared := _shared(passages[index], decision))
        ]
        # Largest overlap first; the sort is stable, so of equals the first published wins.
        for _, index, decision in sorted(pairs, key=lambda pair: -pair[0]):
            if matches[index] is None and decision.passage_id not in taken:
                matches[index] = decision
                taken.add(decision.passage_id)
    return matches, [decision for decision in last if decision.passage_id not in taken]


def _shared(passage: ProducedPassage, decision: Decision) -> int:
    listed = {(item.modality, item.observation_id) for item in decision.evidence}
    return sum((key.modality, key.observation_id) in listed for key in passage.observations)
