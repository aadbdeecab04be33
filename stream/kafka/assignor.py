"""Which worker of a group reads which partitions: balanced, and moving no more than needed.

Every worker tells the group's leader what it has; the leader gives each worker its share of every
topic, first of what it has already. Faust's own assignor and aiokafka's move more than that.

Among equals the name of the process decides, which both groups of a worker share: so the partitions
of the same number, of topics with as many, tend to be read by one process, and where one dies, what
it read of a unit and the unit's home go together.
"""

import json
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import (
    ConsumerProtocolMemberAssignment,
    ConsumerProtocolMemberMetadata,
)

from schemas.record import TopicPartition

VERSION = 0
PROCESS = uuid.uuid4().hex
"""Names this process to the leaders of its groups."""
Member = tuple[str, str]
"""Process and member id."""


def share(
    counts: Mapping[str, int], owned: Mapping[Member, Iterable[TopicPartition]]
) -> dict[Member, set[TopicPartition]]:
    """Divides all partitions among the members of a group.

    Every member gets its share of each topic, give or take one, and of all topics together, give
    or take one. The result depends on the arguments alone.

    Args:
        counts: topic -> partition count.
        owned: member -> what it has; a partition is claimed by one member at most.
    """
    shares: dict[Member, set[TopicPartition]] = {member: set() for member in sorted(owned)}
    claims = {member: frozenset(owned[member]) for member in shares}
    # Large topics first: the small ones then even out what those left over.
    for topic, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        partitions = [TopicPartition(topic, number) for number in range(count)]
        kept = {m: [tp for tp in partitions if tp in claims[m]] for m in shares}
        base, extras = divmod(count, len(shares))
        # One more than the others goes to whom has least so far, among equals to whom has it.
        by_need = sorted(shares, key=lambda m: (len(shares[m]), -len(kept[m]), m))
        quota = {member: base + (rank < extras) for rank, member in enumerate(by_need)}
        given = {member: kept[member][: quota[member]] for member in shares}
        taken = {tp for tps in given.values() for tp in tps}
        free = iter([tp for tp in partitions if tp not in taken])
        for member in by_need:
            missing = quota[member] - len(given[member])
            shares[member].update(given[member], (next(free) for _ in range(missing)))
    return shares


class StickyAssignor(AbstractPartitionAssignor):  # type: ignore[misc]
    """Speaks the group protocol for `share`; one object a consumer."""

    name = "regrade-sticky"

    def __init__(self) -> None:
        self._owned: list[TopicPartition] = []
        self._generation = -1

    def metadata(self, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """Returns what this worker tells the leader: what it reads, and what it has."""
        claim = {"process": PROCESS, "generation": self._generation, "owned": self._owned}
        return ConsumerProtocolMemberMetadata(VERSION, sorted(topics), json.dumps(claim).encode())

    def assign(
        self, cluster: Any, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """Returns every member's assignment; only the group's leader is asked."""
        topics = {topic for metadata in members.values() for topic in metadata.subscription}
        counts = {topic: len(cluster.partitions_for_topic(topic) or ()) for topic in topics}
        claims = {member: json.loads(metadata.user_data) for member, metadata in members.items()}
        newest = max(claim["generation"] for claim in claims.values())
        shares = share(
            counts,
            {
                # Who missed a generation has lost what it had.
                (claim["process"], member): _owned(claim) if claim["generation"] == newest else ()
                for member, claim in claims.items()
            },
        )
        user_data = str(newest + 1).encode()
        return {
            member: ConsumerProtocolMemberAssignment(VERSION, _by_topic(tps), user_data)
            for (_, member), tps in shares.items()
        }

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Remembers what this worker has been given."""
        self._owned = [TopicPartition(*tp) for tp in assignment.partitions()]
        self._generation = int(assignment.user_data)


def _owned(claim: Mapping[str, Any]) -> frozenset[TopicPartition]:
    return frozenset(TopicPartition(*tp) for tp in claim["owned"])


def _by_topic(tps: Iterable[TopicPartition]) -> list[tuple[str, list[int]]]:
    topics: dict[str, list[int]] = {}
    for topic, partition in sorted(tps):
        topics.setdefault(topic, []).append(partition)
    return list(topics.items())
