"""Which worker of a group reads which partitions: even, and moving no more than it must.

Every worker tells the group's leader what it has; the leader gives each its share, first of what it
has already. Partition 3 of all topics that have equally many partitions goes to one worker, and the
extract stage's group follows the decide stage's, whose homes mostly hold the same units: otherwise
the loss of one worker would silence the homes that it has and those that it feeds.
"""

import json
import mmap
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import (
    ConsumerProtocolMemberAssignment,
    ConsumerProtocolMemberMetadata,
)

from schemas.record import TopicPartition

VERSION = 0
MAX_HOMES = 2**16
WORKER = f"{time.time_ns():020d}-{os.getpid()}"
"""Names this worker in all of its groups, so that they divide alike; older ones come first. Its
stages' processes are forks, which share it."""


@dataclass(frozen=True, slots=True)
class Homes:
    """The partitions of `units.features` that a worker has."""

    numbers: frozenset[int] = frozenset()
    of: int = 0
    """The topic's partition count; 0: not known."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a member of the group has."""

    worker: str
    owned: frozenset[TopicPartition] = frozenset()
    homes: Homes = Homes()
    """Where the group follows another one."""


def share(counts: Mapping[str, int], claims: Mapping[str, Claim]) -> dict[str, set[TopicPartition]]:
    """Divides all partitions among the members of a group; depends on its arguments alone.

    Every member gets its share of each topic, give or take one.

    Args:
        counts: topic -> partition count.
        claims: member -> what it has; a partition is claimed by one member at most.
    """
    members = sorted(claims, key=lambda member: (claims[member].worker, member))
    shares: dict[str, set[TopicPartition]] = {member: set() for member in members}
    # Large topics first: the small ones then even out what those left over.
    for count in sorted(set(counts.values()), reverse=True):
        topics = sorted(topic for topic in counts if counts[topic] == count)
        kept: dict[str, list[int]] = {member: [] for member in members}
        for number in range(count):
            owner = max(members, key=lambda m: _strength(claims[m], topics, number, count))
            if _strength(claims[owner], topics, number, count) > 0:
                kept[owner].append(number)
        base, extras = divmod(count, len(members))
        # One more than the others goes to whom has least so far, among equals to whom has it.
        by_need = sorted(members, key=lambda m: (len(shares[m]), -len(kept[m])))
        quota = {member: base + (rank < extras) for rank, member in enumerate(by_need)}
        given = {member: kept[member][: quota[member]] for member in members}
        taken = {number for numbers in given.values() for number in numbers}
        free = iter([number for number in range(count) if number not in taken])
        for member in by_need:
            missing = quota[member] - len(given[member])
            numbers = [*given[member], *(next(free) for _ in range(missing))]
            shares[member].update(TopicPartition(t, n) for t in topics for n in numbers)
    return shares


def _strength(claim: Claim, topics: list[str], number: int, count: int) -> int:
    """How much speaks for leaving this partition of these topics with this member."""
    follows = claim.homes.of == count and number in claim.homes.numbers
    owned = sum(TopicPartition(topic, number) in claim.owned for topic in topics)
    return owned + follows * (len(topics) + 1)


class SharedHomes:
    """The homes that a worker has, in memory that its forks share."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 4 + MAX_HOMES)

    def put(self, homes: Homes) -> None:
        """Replaces what was there."""
        owned = bytes(number in homes.numbers for number in range(homes.of))
        self._memory[: 4 + homes.of] = homes.of.to_bytes(4, "big") + owned

    def get(self) -> Homes:
        """Returns what `put` was last given, in whichever process."""
        of = int.from_bytes(self._memory[:4], "big")
        return Homes(frozenset(n for n in range(of) if self._memory[4 + n]), of)


class StickyAssignor(AbstractPartitionAssignor):  # type: ignore[misc]
    """Speaks the group protocol for `share`; one object a consumer.

    Args:
        followed: gives the homes that this worker has, where the group is to follow them.
        given: is told the partitions of the one topic that is read here, where another follows.
        worker: names the worker.
    """

    name = "regrade-sticky"

    def __init__(
        self,
        followed: Callable[[], Homes] = Homes,
        given: Callable[[Homes], None] = lambda homes: None,
        worker: str = WORKER,
    ) -> None:
        self._followed = followed
        self._given = given
        self._worker = worker
        self._owned: list[TopicPartition] = []
        self._generation = -1

    def metadata(self, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """Returns what this worker tells the leader: what it reads, and what it has."""
        homes = self._followed()
        claim = {
            "worker": self._worker,
            "generation": self._generation,
            "owned": self._owned,
            "homes": sorted(homes.numbers),
            "of": homes.of,
        }
        return ConsumerProtocolMemberMetadata(VERSION, sorted(topics), json.dumps(claim).encode())

    def assign(
        self, cluster: Any, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """Returns every member's assignment; only the group's leader is asked."""
        topics = {topic for metadata in members.values() for topic in metadata.subscription}
        counts = {topic: len(cluster.partitions_for_topic(topic) or ()) for topic in topics}
        said = {member: json.loads(metadata.user_data) for member, metadata in members.items()}
        newest = max(claim["generation"] for claim in said.values())
        claims = {
            member: Claim(
                claim["worker"],
                # Who missed a generation has lost what it had.
                frozenset(
                    TopicPartition(*tp) for tp in claim["owned"] if claim["generation"] == newest
                ),
                Homes(frozenset(claim["homes"]), claim["of"]),
            )
            for member, claim in said.items()
        }
        given = json.dumps({"generation": newest + 1, "counts": counts}).encode()
        return {
            member: ConsumerProtocolMemberAssignment(VERSION, _by_topic(tps), given)
            for member, tps in share(counts, claims).items()
        }

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Remembers what this worker has been given."""
        given = json.loads(assignment.user_data)
        self._owned = [TopicPartition(*tp) for tp in assignment.partitions()]
        self._generation = given["generation"]
        numbers = frozenset(tp.partition for tp in self._owned)
        self._given(Homes(numbers, max(given["counts"].values(), default=0)))


def _by_topic(tps: Iterable[TopicPartition]) -> list[tuple[str, list[int]]]:
    topics: dict[str, list[int]] = {}
    for topic, partition in sorted(tps):
        topics.setdefault(topic, []).append(partition)
    return list(topics.items())
