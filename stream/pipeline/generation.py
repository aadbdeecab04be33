"""One generation of the consumer group: from being assigned home partitions to losing them.

Everything that belongs to the assignment lives and dies with this object, so that nothing of an
old generation can be processed, published or committed by a new one (house plan, section 5).
"""

import asyncio
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from aiokafka.errors import KafkaError

from agents.join import Arrival, Finished, Output, Revision, TooLate
from schemas.decision import Decision
from schemas.errors import RecordError
from stream.kafka.partitioner import home_partition
from stream.pipeline import redirect
from stream.pipeline.decider import Decider, decision_record
from stream.pipeline.decision_log import read_decisions
from stream.pipeline.frontier import Frontier, Token
from stream.pipeline.home import Home
from stream.pipeline.intake import Dead, Examined, Misrouted
from stream.pipeline.machinery import Machinery, Reading
from stream.pipeline.progress import Progress, ProgressTeller
from stream.pipeline.record import Outgoing, Record, TopicPartition

log = logging.getLogger(__name__)

TICK = 0.05
"""Seconds after which the watermark is looked at though no record came."""
BEAT = 0.2
ANSWER_TIMEOUT_MS = 3_000
"""After how long without an answered fetch the broker counts as silent."""
QUEUED_EFFECTS = 4
"""Batches that may wait for the distiller; more would only add latency."""


@dataclass(frozen=True, slots=True)
class Publish:
    """An effect: publish this record, then these tokens are finished."""

    outgoing: Outgoing
    tokens: tuple[Token, ...] = ()


Effect = Publish | Revision | Finished


class Generation:
    """Consumes, joins, decides and publishes for the partitions of one assignment.

    Args:
        homes: the assigned home partitions.
    """

    def __init__(self, homes: frozenset[int], machinery: Machinery) -> None:
        self.frontier = Frontier()
        self.restored = asyncio.Event()
        """Set once the decision log has been read."""
        now = machinery.clock.now()
        self._m = machinery
        self._homes = {number: Home(number, machinery, now) for number in sorted(homes)}
        self._decider = Decider(machinery.distiller, machinery.policy, machinery.disassembly)
        self._teller = ProgressTeller(machinery.topics, machinery.partitions)
        batch = machinery.settings.batch_max
        self._inbox: asyncio.Queue[Record] = asyncio.Queue(2 * batch)
        self._effects: asyncio.Queue[list[Effect]] = asyncio.Queue(QUEUED_EFFECTS)
        self._taken: dict[TopicPartition, int] = {}
        self._paused: frozenset[TopicPartition] = frozenset()
        self._beaten_at = now
        self._answered = True
        self._suspended = False
        self._closing = False

    # -- the outside ----------------------------------------------------------------------

    async def take(self, record: Record) -> None:
        """Accept a record of this generation; waits while too many are queued."""
        if not self._closing:
            await self._inbox.put(record)

    async def run(self) -> None:
        """Work until cancelled or closed.

        Raises:
            Exception: something that a restart must repair; nothing unfinished is acknowledged.
        """
        beat = asyncio.create_task(self._beat())
        try:
            await self._restore()
            async with asyncio.TaskGroup() as tasks:
                take_in = tasks.create_task(self._take_in())
                await self._carry_out()
                take_in.cancel()
        finally:
            self.close()
            beat.cancel()

    def close(self) -> None:
        """Drop what is queued; what is in flight is finished by `run`, which then returns."""
        self._closing = True
        while not self._inbox.empty():  # also lets go of whoever waits in `take`
            self._inbox.get_nowait()

    def is_ours(self) -> bool:
        """Whether we may still publish.

        A process that was stopped for longer than the session timeout has been replaced without
        knowing it, so it stays silent until it is assigned its partitions again (in a new
        generation).
        """
        if not self._suspended:
            silence = self._m.clock.now() - self._beaten_at
            if silence > self._m.settings.session_timeout:
                self._suspended = True
                log.warning("The clock jumped by %.1f s; waiting for a new assignment", silence)
                self._m.consumer.rejoin()
        return not self._suspended

    def _readings(self) -> dict[TopicPartition, Reading]:
        tps = [tp for home in self._homes.values() for tp in home.tps]
        return {tp: self._m.consumer.reading(tp) for tp in tps}

    def _is_answering(self) -> bool:
        """Whether the broker has answered a fetch lately."""
        polled = max((r.polled_at for r in self._readings().values() if r.polled_at), default=0)
        return self._m.clock.wall_ms() - polled <= ANSWER_TIMEOUT_MS

    # -- the loops ------------------------------------------------------------------------

    async def _beat(self) -> None:
        while not self._closing:
            if self.is_ours():
                self._beaten_at = self._m.clock.now()
            # Remembered until the watermark is looked at: that may wait for a publication, and
            # by then a broker that was away may have answered again.
            self._answered = self._answered and self._is_answering()
            await asyncio.sleep(BEAT)

    async def _restore(self) -> None:
        while not self._closing:
            count = 0
            try:
                async for decision in read_decisions(
                    self._m.settings, self._homes, self._m.clock.wall_ms()
                ):
                    # The same decision again changes nothing, so a second attempt may start over.
                    if home := self._home_of(decision):
                        home.join.restore(decision)
                        count += 1
            except KafkaError as error:
                log.warning("The decision log cannot be read yet: %r", error)
                await asyncio.sleep(1)
            else:
                log.info("Partitions %s: %d decisions read back", list(self._homes), count)
                self.restored.set()
                return

    def _home_of(self, decision: Decision) -> Home | None:
        return self._homes.get(home_partition(decision.unit_id, self._m.partitions))

    async def _take_in(self) -> None:
        """Records -> effects."""
        loop = asyncio.get_running_loop()
        while not self._closing:
            batch = await self._next_batch()
            tokens = [self.frontier.deliver(record) for record in batch]
            examined: list[Examined] = []
            if batch:
                examined = await loop.run_in_executor(
                    self._m.executor, self._m.intake.examine, batch, self._m.clock.wall_ms()
                )
            if self._closing:
                return
            effects = [
                effect
                for record, token, item in zip(batch, tokens, examined, strict=True)
                for effect in self._route(record, token, item)
            ]
            effects.extend(self._advance())
            if effects:
                await self._effects.put(effects)

    async def _carry_out(self) -> None:
        """Effects -> the broker, then the frontier."""
        while not self._closing:
            try:
                effects = await asyncio.wait_for(self._effects.get(), TICK)
            except TimeoutError:
                continue
            for chunk in _chunks(effects, self._m.settings.batch_max):
                if self._closing or not await self._perform(chunk):
                    return

    async def _next_batch(self) -> list[Record]:
        try:
            batch = [await asyncio.wait_for(self._inbox.get(), TICK)]
        except TimeoutError:
            return []
        while len(batch) < self._m.settings.batch_max and not self._inbox.empty():
            batch.append(self._inbox.get_nowait())
        # A record that is delivered twice within a generation has already been taken in.
        fresh = []
        for record in batch:
            if record.offset > self._taken.get(record.tp, -1):
                self._taken[record.tp] = record.offset
                fresh.append(record)
        return fresh

    # -- records to effects ---------------------------------------------------------------

    def _route(self, record: Record, token: Token, item: Examined) -> Iterator[Effect]:
        home = self._homes[record.partition]
        now = self._m.clock.now()
        metrics, topics = self._m.metrics, self._m.topics
        if isinstance(item, Arrival):
            metrics.observations.labels(item.modality.value).inc()
            self._teller.reached(record.tp, item.captured_at)
            item = item.with_token(token)
            yield from self._effects_of(home.take(record, item, now))
            if not home.join.awaits(item.unit_id):
                token.record = None  # only its encoding is still needed
            return
        home.take(record, item, now)
        if isinstance(item, Dead):
            reason = item.error.reason if isinstance(item.error, RecordError) else "internal"
            metrics.dead_letters.labels(record.topic, reason).inc()
            yield Publish(redirect.dead_letter(topics, record, item), (token,))
        elif isinstance(item, Misrouted):
            metrics.misrouted.labels(record.topic).inc()
            self._teller.misrouted(record.tp, item.captured_at)
            yield Publish(redirect.forward(topics, record, item.home), (token,))
        elif isinstance(item, Progress):
            yield Finished((token,))

    def _effects_of(self, outputs: Iterable[Output]) -> Iterator[Effect]:
        for output in outputs:
            if isinstance(output, TooLate):
                token = output.arrival.token
                assert token.record is not None, "the join awaits nothing, yet it was too late"
                self._m.metrics.late.inc()
                origin = output.arrival.origin
                yield Publish(redirect.late(self._m.topics, token.record, origin), (token,))
            else:
                yield output

    def _advance(self) -> Iterator[Effect]:
        now, wall_ms = self._m.clock.now(), self._m.clock.wall_ms()
        readings = self._readings()
        at_end = {
            tp
            for tp, reading in readings.items()
            if reading.caught_up and self._taken.get(tp, -1) >= reading.handed
        }
        answering, self._answered = self._answered and self._is_answering(), True
        for home in self._homes.values():
            yield from self._effects_of(home.advance(now, wall_ms, at_end, answering=answering))
        for outgoing in self._teller.due(now, lagging=readings.keys() - at_end):
            yield Publish(outgoing)
        self._hold_back(now)
        self._count()

    def _hold_back(self, now: float) -> None:
        """Stop reading what runs ahead of the watermark while too many passages are open.

        What holds the watermark back is always read, or nothing would ever retire.
        """
        limit = self._m.settings.max_open_passages
        open_passages = sum(home.join.open_passages for home in self._homes.values())
        wanted: frozenset[TopicPartition] = frozenset()
        if open_passages >= (limit * 9 // 10 if self._paused else limit):
            wanted = frozenset(tp for home in self._homes.values() for tp in home.ahead(now))
        if wanted != self._paused:
            self._m.consumer.pause(wanted)
            self._paused = wanted

    def _count(self) -> None:
        joins = [home.join for home in self._homes.values()]
        self._m.metrics.open_passages.set(sum(join.open_passages for join in joins))
        self._m.metrics.duplicates.set(sum(join.duplicates for join in joins))
        self._m.metrics.inseparable.set(sum(join.inseparable for join in joins))
        self._m.metrics.unfinished.set(self.frontier.unfinished)

    # -- effects to the broker ------------------------------------------------------------

    async def _perform(self, effects: list[Effect]) -> bool:
        """Publish a chunk and, once all of it is confirmed, finish its tokens.

        Returns:
            False where we may not publish any more.
        """
        revisions = [effect for effect in effects if isinstance(effect, Revision)]
        decisions: list[Decision] = []
        if revisions:
            decisions = await asyncio.get_running_loop().run_in_executor(
                self._m.executor, self._decider.decide, revisions, self._m.clock.wall_ms()
            )
        records = [effect.outgoing for effect in effects if isinstance(effect, Publish)]
        records += [
            decision_record(self._m.topics, self._m.partitions, decision) for decision in decisions
        ]
        if not await self._m.publisher.deliver(records, self.is_ours):
            return False
        for effect in effects:
            if isinstance(effect, Publish | Finished):
                self.frontier.finish(effect.tokens)
        self._count_decisions(decisions)
        return True

    def _count_decisions(self, decisions: list[Decision]) -> None:
        wall_ms = self._m.clock.wall_ms()
        for decision in decisions:
            newest = max(evidence.captured_at for evidence in decision.evidence)
            latency = max(wall_ms / 1000 - newest.timestamp(), 0.0)
            self._m.metrics.decision_latency.observe(latency)
            self._m.metrics.decisions.labels(decision.status, decision.routing.option.value).inc()


def _chunks(effects: list[Effect], revisions_max: int) -> Iterator[list[Effect]]:
    """Cut so that no chunk asks the distiller for more than one micro-batch; order is kept."""
    chunk: list[Effect] = []
    revisions = 0
    for effect in effects:
        if isinstance(effect, Revision):
            if revisions == revisions_max:
                yield chunk
                chunk, revisions = [], 0
            revisions += 1
        chunk.append(effect)
    if chunk:
        yield chunk
