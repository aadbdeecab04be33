"""The decide step of one home partition: feature records and marks in, effects out.

Pure: no broker and no clock. Event time comes from marks alone, so that the same records, in
whatever batches, give the same effects. A record is finished when its passage is retired, or when
what else came of it is confirmed; the effects say which.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from agents.dead_letter import dead_letter
from agents.join import (
    BEGINNING,
    Arrival,
    Excess,
    Finished,
    Join,
    JoinConfig,
    Output,
    Revision,
    TooLate,
    Watermark,
)
from agents.join.passage import ms_of
from schemas import headers
from schemas.decision import Decision
from schemas.errors import EmptyRecord, RecordError, TooMuchEvidence
from schemas.feature_record import FeatureRecord, Origin, decode_feature_record
from schemas.mark import Mark, decode_mark, is_mark
from schemas.record import Outgoing, Record

# The same bytes go to every home partition.
_decode_mark = lru_cache(1_024)(decode_mark)


class Model(Protocol):
    """What decides: encodes features as they come, and judges revisions of passages."""

    def encode(
        self, records: Sequence[FeatureRecord]
    ) -> Sequence[NDArray[np.float32] | RecordError]: ...

    def decide(self, revisions: Sequence[Revision], decided_at: int) -> Sequence[Decision]: ...


@dataclass(frozen=True, slots=True)
class DecideConfig:
    """What the decide step has to know of its line.

    Args:
        input_topics: the observations' topics, which marks must speak for.
        publish: makes the record of a decision.
        batch_max: revisions that the model judges at a time at most.
    """

    join: JoinConfig
    input_topics: frozenset[str]
    max_out_of_orderness: int
    max_source_lag: int
    late_topic: str
    dead_letter_topic: str
    publish: Callable[[Decision], Outgoing]
    batch_max: int = 256


@dataclass(slots=True)
class Effects:
    """What a step wants done: publish all of `outgoing`; once that is confirmed, the records at
    the offsets `finished` have had their effect."""

    outgoing: list[Outgoing] = field(default_factory=list)
    finished: list[int] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    """Those among `outgoing`."""
    late: int = 0
    """How many late letters are among `outgoing`."""
    repeats: int = 0
    """How many records came again after their passage had been retired."""
    dead: list[str] = field(default_factory=list)
    """Reason codes of the dead letters among `outgoing`."""


@dataclass(frozen=True, slots=True)
class StartingPoint:
    """Where event time had come at an offset: the metadata of a commit."""

    watermark: int
    """ms."""
    oldest_mark: int
    """Offset of the oldest mark that still counted there."""

    def __str__(self) -> str:
        return f"watermark {self.watermark} mark {self.oldest_mark}"

    @classmethod
    def read(cls, text: str) -> "StartingPoint | None":
        """Reads what `str` gave; None for anything else."""
        match text.split(" "):
            case ["watermark", at, "mark", offset] if offset.isdecimal():
                digits = at.removeprefix("-")
                return cls(int(at), int(offset)) if digits.isdecimal() else None
        return None


@dataclass(slots=True)
class _Token:
    """Names a record to the join."""

    offset: int
    repeat: bool
    """Whether a mark had vouched for its origin when it came."""
    record: Record | None
    """The record itself, until nothing can need its bytes any more."""


_Item = Mark | FeatureRecord | RecordError


class DecideStep:
    """The state of one home partition: its watermark and its passages.

    Args:
        model: the same one for all home partitions.
        start: where event time had come at the offset from which records are processed; None:
            nobody knows, and the decision log tells what it can.
    """

    def __init__(
        self, config: DecideConfig, model: Model, start: StartingPoint | None = None
    ) -> None:
        self.join = Join(config.join)
        self.watermark = Watermark(
            config.input_topics,
            max_out_of_orderness=config.max_out_of_orderness,
            max_source_lag=config.max_source_lag,
            value=start.watermark if start else BEGINNING,
        )
        self.config = config
        self.model = model
        self._start = start
        self._history: deque[tuple[int, StartingPoint]] = deque()
        """By the offset behind each mark: where event time had come there."""
        if start is not None:
            self.join.advance(start.watermark)
            self._history.append((0, start))

    # -- after a take-over --------------------------------------------------------------------

    def restore(self, decision: Decision) -> None:
        """Takes note of a published decision, before any record, in the log's order."""
        window = decision.passage.closed_by == "window" and decision.status == "final"
        if self._start is None and window:
            # Its deadline had come: what that made too late must not open a passage now.
            self.join.reached = max(self.join.reached, ms_of(decision.passage.deadline))
        self.join.restore(decision)

    def restore_mark(self, record: Record) -> None:
        """Takes note of a mark before the first record, so that time stays where it is."""
        if is_mark(record.value) and isinstance(item := _decode(record), Mark):
            self.watermark.take(item, record.offset, record.timestamp, moves=False)

    def starting_point(self, offset: int) -> StartingPoint | None:
        """Returns where event time had come at an offset; ask with growing offsets only."""
        while len(self._history) > 1 and self._history[1][0] <= offset:
            self._history.popleft()
        if self._history and self._history[0][0] <= offset:
            return self._history[0][1]
        return None

    # -- records ------------------------------------------------------------------------------

    def step(self, records: Sequence[Record], now: int) -> Effects:
        """Returns the effects of records, which come in the order of their offsets.

        Args:
            now: the wall clock, ms since 1970 UTC: only for what decisions say of themselves.
        """
        (effects,) = step_together([(self, records)], now)
        return effects

    def _join(
        self,
        records: Sequence[Record],
        items: Sequence[_Item],
        encodings: Iterator[NDArray[np.float32] | RecordError],
    ) -> tuple[Effects, list[Revision]]:
        """Returns the effects of records but for the decisions, and what must be decided."""
        effects = Effects()
        revisions: list[Revision] = []

        def sort(outputs: Iterable[Output]) -> None:
            for output in outputs:
                if isinstance(output, Revision):
                    revisions.append(output)
                else:
                    self._carry_out(output, effects)

        # What has been restored may have been retired by now.
        sort(self.join.advance(self.watermark.value))
        for record, item in zip(records, items, strict=True):
            sort(self._take(record, item, encodings, effects))
        return effects, revisions

    def _take(
        self,
        record: Record,
        item: _Item,
        encodings: Iterator[NDArray[np.float32] | RecordError],
        effects: Effects,
    ) -> Iterable[Output]:
        if isinstance(item, Mark):
            self.watermark.take(item, record.offset, record.timestamp)
            self._remember(record.offset + 1)
            effects.finished.append(record.offset)
            return self.join.advance(self.watermark.value)
        stage = "decode"
        if isinstance(item, FeatureRecord):
            encoding, stage = next(encodings), "encode"
            if not isinstance(encoding, RecordError):
                return self._observe(record, item, encoding)
            item = encoding
        self._bury(record, item, stage, effects)
        return ()

    def _observe(
        self, record: Record, item: FeatureRecord, encoding: NDArray[np.float32]
    ) -> list[Output]:
        token = _Token(record.offset, self.watermark.vouched(item.origin), record)
        outputs = self.join.observe(
            Arrival(
                unit_id=item.unit_id,
                modality=item.modality,
                observation_id=item.observation_id,
                captured_at=item.captured_at,
                source=item.source,
                origin=item.origin,
                encoding=encoding,
                token=token,
            )
        )
        if not any(isinstance(output, TooLate | Excess) for output in outputs):
            token.record = None
        return outputs

    def _carry_out(self, output: TooLate | Excess | Finished, effects: Effects) -> None:
        if isinstance(output, Finished):
            effects.finished.extend(token.offset for token in output.tokens)
            return
        arrival = output.arrival
        token: _Token = arrival.token
        record = token.record
        assert record is not None, "the bytes of what may be late are kept"
        if isinstance(output, Excess):
            limit = self.config.join.max_evidence
            error = TooMuchEvidence(
                f"the passage of {arrival.unit_id} holds {limit} observations already;"
                " is that what a scanner says that cannot read a label?"
            )
            self._bury(record, error, "join", effects)
            return
        effects.finished.append(record.offset)
        if token.repeat:
            effects.repeats += 1
        else:
            effects.late += 1
            effects.outgoing.append(self._late(record, arrival.origin))

    def _late(self, record: Record, origin: Origin) -> Outgoing:
        more = [(headers.ORIGIN, f"{origin.topic}/{origin.partition}/{origin.offset}".encode())]
        return Outgoing(
            self.config.late_topic,
            record.key,
            record.value,
            [*record.headers, *more],
            timestamp=max(record.timestamp, 0) or None,
            shrinkable=True,
        )

    def _bury(self, record: Record, error: RecordError, stage: str, effects: Effects) -> None:
        letter = dead_letter(self.config.dead_letter_topic, record, error, stage)
        effects.outgoing.append(letter)
        effects.dead.append(error.reason)
        effects.finished.append(record.offset)

    def _remember(self, behind: int) -> None:
        oldest = self.watermark.oldest
        if oldest is not None:
            self._history.append((behind, StartingPoint(self.watermark.value, oldest)))


def step_together(works: Sequence[tuple[DecideStep, Sequence[Record]]], now: int) -> list[Effects]:
    """Returns the effects of records of several home partitions, in order; see `DecideStep.step`.

    They are encoded and decided together, because most of what that costs is a cost of the call.
    """
    read = [[_decode(record) for record in records] for _, records in works]
    config, model = works[0][0].config, works[0][0].model
    features = [item for items in read for item in items if isinstance(item, FeatureRecord)]
    encodings = iter(model.encode(features) if features else ())
    joined = [
        step._join(records, items, encodings)
        for (step, records), items in zip(works, read, strict=True)
    ]
    revisions = [revision for _, found in joined for revision in found]
    decisions: list[Decision] = []
    for first in range(0, len(revisions), config.batch_max):
        decisions.extend(model.decide(revisions[first : first + config.batch_max], now))
    decided = iter(decisions)
    for effects, found in joined:
        effects.decisions.extend(islice(decided, len(found)))
        effects.outgoing.extend(map(config.publish, effects.decisions))
    return [effects for effects, _ in joined]


def _decode(record: Record) -> _Item:
    """Reads a record of the features topic; what is wrong with it is returned."""
    try:
        if not record.value:
            raise EmptyRecord("the record has no value")
        if is_mark(record.value):
            return _decode_mark(record.value)
        return decode_feature_record(record.value)
    except RecordError as error:
        return error
