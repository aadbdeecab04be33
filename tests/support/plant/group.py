"""The extract group: who reads which partitions, what they committed, and what befalls them."""

from collections.abc import Mapping
from functools import cache
from zlib import crc32

import numpy as np

from schemas.feature_record import FeatureRecord, Origin, encode_feature_record
from schemas.record import TopicPartition
from stream.kafka.assignor import share
from support.plant.broker import Broker
from support.plant.clockwork import Clockwork
from support.plant.extract import ExtractWorker
from support.plant.scenario import SECOND, SESSION_TIMEOUT, Fault, Scenario
from support.plant.stations import Sent

REVOCATION = 3 * SECOND
"""How long what is in flight may take when a rebalance begins."""
FEATURES = np.zeros(1, np.float16)


class Group:
    """The members of the consumer group of the extract stage.

    Attributes:
        dead: origins of the dead letters.
        troubles: from, until: when partitions were without an owner that works.
        started: when the first worker was assigned its partitions; 0: not yet.
    """

    def __init__(
        self, scenario: Scenario, clockwork: Clockwork, broker: Broker, sent: Mapping[Origin, Sent]
    ) -> None:
        self.scenario = scenario
        self.clockwork = clockwork
        self.broker = broker
        self.sent = sent
        self.dead: set[Origin] = set()
        self.generation = 0
        self.troubles: list[tuple[int, int]] = []
        self.started = 0
        self._rng = scenario.random("group")
        self._committed: dict[TopicPartition, tuple[int, str]] = {}
        self._members: list[ExtractWorker] = []
        self._started = 0
        self._rebalancing = False
        self._again = False
        self._since = 0
        for _ in range(scenario.workers):
            clockwork.after(self._rng.randrange(3 * SECOND), self._start)
        for fault in scenario.faults:
            clockwork.at(fault.at, lambda fault=fault: self._strike(fault))
        for _, back in scenario.outages:
            if self._rng.random() < 0.5:
                clockwork.at(back + self._rng.randrange(3 * SECOND), self.rebalance)
        self.features = cache(self._features)

    def home_of(self, unit_id: str) -> int:
        return crc32(unit_id.encode()) % self.scenario.homes

    def _features(self, tp: TopicPartition, offset: int) -> bytes:
        origin = Origin(*tp, offset)
        sent = self.sent[origin]
        return encode_feature_record(
            FeatureRecord(
                sent.unit_id,
                sent.modality,
                sent.observation_id,
                sent.captured_at,
                sent.source,
                origin,
                "0",
                FEATURES,
            )
        )

    @property
    def settled(self) -> bool:
        """Whether all that was sent has been extracted."""
        inputs = self.broker.inputs
        return all(
            self._committed.get(tp, (0, ""))[0] == len(log.records) for tp, log in inputs.items()
        )

    def commit(
        self, worker: ExtractWorker, offsets: Mapping[TopicPartition, tuple[int, str]]
    ) -> bool:
        if worker not in self._members or worker.generation != self.generation:
            return False
        self._committed.update(offsets)
        return True

    # -- rebalances ---------------------------------------------------------------------------

    def rebalance(self) -> None:
        if self._rebalancing:
            self._again = True
            return
        self._rebalancing, self._again = True, False
        self._since = self.clockwork.now
        for member in self._members:
            member.reading = False
        self._revoke(self.clockwork.now + REVOCATION)

    def _revoke(self, until: int) -> None:
        waiting = [m for m in self._members if m.running and m.busy]
        if waiting and self.clockwork.now < until:
            self.clockwork.after(50, lambda: self._revoke(until))
            return
        for member in self._members:
            if member.running:
                member.revoke()
        self.clockwork.after(self._rng.randint(50, 400), self._complete)

    def _complete(self) -> None:
        now = self.clockwork.now
        if not self.broker.answers(now):
            self.clockwork.at(
                self.broker.back_at(now) + self._rng.randrange(SECOND), self._complete
            )
            return
        for member in self._members:
            if member.frozen:
                member.replaced = True
        self._members = [member for member in self._members if member.running]
        before, self.generation = self.generation, self.generation + 1
        self._rebalancing = False
        if self._members:
            counts = self._members[0].counts
            owned = {m.name: m.inputs if m.member_of == before else () for m in self._members}
            shares = share(counts, owned)
            for member in self._members:
                committed = {tp: self._committed.get(tp) for tp in sorted(shares[member.name])}
                member.assign(self.generation, committed)
            self._trouble(self._since, now)
            self.started = self.started or now
        if self._again:
            self.rebalance()

    def _trouble(self, since: int, until: int) -> None:
        self.troubles.append((since, until))

    # -- what befalls them --------------------------------------------------------------------

    def _start(self) -> None:
        self._started += 1
        self._members.append(ExtractWorker(f"w{self._started}", self))
        self.rebalance()

    def _strike(self, fault: Fault) -> None:
        running = [member for member in self._members if member.running]
        if fault.kind == "join" or not running:
            self._start()
            return
        worker = self._rng.choice(running)
        now = self.clockwork.now
        match fault.kind:
            case "crash":
                worker.crash()
                self._trouble(now, now + SESSION_TIMEOUT + SECOND)
                self.clockwork.after(SESSION_TIMEOUT, lambda: self._miss(worker))
                self.clockwork.after(fault.lasts, self._start)
            case "freeze":
                worker.freeze()
                self._trouble(now, now + min(fault.lasts, SESSION_TIMEOUT) + SECOND)
                if fault.lasts > SESSION_TIMEOUT:
                    self.clockwork.after(SESSION_TIMEOUT, lambda: self._miss(worker))
                self.clockwork.after(fault.lasts, lambda: self._thaw(worker))
            case "stop":
                worker.reading = False
                self._leave(worker, now + REVOCATION)
                self.clockwork.after(fault.lasts, self._start)

    def _miss(self, worker: ExtractWorker) -> None:
        if worker in self._members:
            self._members.remove(worker)
            worker.replaced = True
            self.rebalance()

    def _thaw(self, worker: ExtractWorker) -> None:
        worker.thaw()
        if worker.replaced:
            self.clockwork.after(self._rng.randrange(500), lambda: self._rejoin(worker))

    def _rejoin(self, worker: ExtractWorker) -> None:
        worker.revoke()
        worker.replaced = False
        self._members.append(worker)
        self.rebalance()

    def _leave(self, worker: ExtractWorker, until: int) -> None:
        if worker.running and worker.busy and self.clockwork.now < until:
            self.clockwork.after(50, lambda: self._leave(worker, until))
            return
        if worker.running and worker in self._members:
            worker.revoke()
            worker.alive = False
            self._members.remove(worker)
            self.rebalance()
