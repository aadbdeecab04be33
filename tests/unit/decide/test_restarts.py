"""What a home partition gives is a function of what lies in it: whatever the batches, whatever the
crashes, what is published is the same to the byte, provisional and late ones included."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle
from random import Random
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st
from support.steps import (
    DEAD,
    DECISIONS,
    LATE,
    SECOND,
    T0,
    StubModel,
    decide_config,
    features_of,
    home_record,
    mark_of,
)

from agents.decide.step import DecideConfig, DecideStep, StartingPoint
from agents.frontier import Frontier
from schemas.decision import Decision
from schemas.record import Outgoing, Record

WINDOW = 60 * SECOND


# -- what lies in a home partition ----------------------------------------------------------------


class Sent(NamedTuple):
    """An observation, how long it takes to come, and whether it comes again."""

    unit_id: str
    modality: str
    at: int
    delay: int
    again: int | None
    spoilt: bool


delays = st.sampled_from([0, 0, 0, 1, 5, 20, 45, 70, 95, 140])


@st.composite
def observations(draw: st.DrawFn) -> list[Sent]:
    """Observations of separate stays: on time, after their deadline, and too late; some twice."""
    found: list[Sent] = []
    for unit_id in ("x", "y", "z")[: draw(st.integers(1, 3))]:
        end = -WINDOW
        for _ in range(draw(st.integers(1, 3))):
            start = end + WINDOW + SECOND + draw(st.integers(0, 100)) * SECOND
            for after in draw(st.lists(st.integers(0, 60), min_size=1, max_size=5)):
                at = start + after * SECOND
                end = max(end, at)
                again = draw(st.none() | st.none() | delays)
                modality = draw(st.sampled_from(["visual", "text", "thermal"]))
                spoilt = draw(st.integers(0, 9)) == 0
                found.append(Sent(unit_id, modality, at, draw(delays), again, spoilt))
    return found


def log_of(observations: Sequence[Sent], every: int, random: Random) -> list[Record]:
    """Returns the records of the home: marks of two workers, every so many s, in between."""
    events: list[tuple[int, int, Sent | None]] = []
    for number, sent in enumerate(observations):
        events.append((sent.at + sent.delay * SECOND, number, sent))
        if sent.again is not None:
            events.append((sent.at + (sent.delay + sent.again) * SECOND, number, sent))
    end = max(at for at, _, _ in events) + 300 * SECOND
    events += [(at, -1, None) for at in range(0, end, every * SECOND)]
    events.sort(key=lambda event: event[:2])
    values: list[bytes] = []
    next_offsets: dict[str, int] = {}
    turn = cycle([("A", "visual"), ("B", "text")])
    for at, number, sent in events:
        if sent is not None:
            name = f"{sent.unit_id}{number}"
            fingerprint = "ff" if sent.spoilt else "abc123"
            known = features_of(
                sent.unit_id, sent.modality, name, sent.at, origin=number, fingerprint=fingerprint
            )
            values.append(known[:-1] if number % 7 == 6 else known)
            next_offsets[sent.modality] = max(next_offsets.get(sent.modality, 0), number + 1)
            continue
        worker, modality = next(turn)
        if random.random() < 0.9:
            values.append(
                mark_of(at, next_offsets=next_offsets, worker=worker, modalities=[modality])
            )
        else:
            values.append(mark_of(at, next_offsets=next_offsets, worker="A"))
    # The last word: everything is over.
    values += [mark_of(end, next_offsets=next_offsets)] * 2
    return [home_record(value, offset) for offset, value in enumerate(values)]


# -- a worker that crashes ------------------------------------------------------------------------


@dataclass
class Broker:
    """What survives a crash: what was published, and the commit."""

    published: list[Outgoing] = field(default_factory=list)
    committed: int = 0
    metadata: str = ""

    def decisions(self) -> list[Decision]:
        found = [out.value for out in self.published if out.topic == DECISIONS]
        return [Decision.model_validate_json(value or b"") for value in found]

    def union(self, topic: str) -> set[tuple[Any, ...]]:
        return {(o.key, o.value, *o.headers) for o in self.published if o.topic == topic}


def run(
    config: DecideConfig, log: Sequence[Record], broker: Broker, random: Random, until: int
) -> Frontier:
    """A worker takes the home over and works on until it crashes: it may lose a part of what the
    batch that holds the offset `until` gave, and some workers commit whenever they can."""
    largest, commits = random.choice([(12, 0.5), (1, 1.0)])
    start = StartingPoint.read(broker.metadata)
    step = DecideStep(config, StubModel(), start)
    if start is not None:
        for record in log[start.oldest_mark : broker.committed]:
            step.restore_mark(record)
    for decision in broker.decisions():
        step.restore(decision)
    frontier, offset = Frontier(broker.committed), broker.committed
    while offset < len(log):
        batch = log[offset : offset + random.randint(1, largest)]
        offset += len(batch)
        frontier.deliver(record.offset for record in batch)
        effects = step.step(batch, T0)
        if offset > until:
            broker.published += effects.outgoing[: random.randint(0, len(effects.outgoing))]
            break
        broker.published += effects.outgoing
        frontier.finish(effects.finished)
        to = frontier.committable()
        if to is not None and random.random() < commits:
            broker.committed, broker.metadata = to, str(step.starting_point(to) or "")
            frontier.committed(to)
    return frontier


@settings(deadline=None, max_examples=50)
@given(
    observations(),
    st.sampled_from([1, 4, 15, 40]),
    st.sampled_from([None, 0, 20 * SECOND]),
    st.sampled_from([2, 64]),
    st.integers(0, 4),
    st.integers(0, 2**32).map(Random),
)
def test_batches_and_crashes_change_nothing(
    observations: list[Sent],
    every: int,
    provisional_after: int | None,
    max_evidence: int,
    crashes: int,
    random: Random,
) -> None:
    log = log_of(observations, every, random)
    config = decide_config(provisional_after=provisional_after, max_evidence=max_evidence)
    at_once = Broker()
    at_once.published = list(DecideStep(config, StubModel()).step(log, T0).outgoing)

    broker = Broker()
    if crashes > 3:  # at every few records
        places = [*range(random.randint(1, 5), len(log), random.randint(2, 7))]
    else:
        places = sorted(random.randrange(len(log)) for _ in range(crashes))
    for place in places:
        run(config, log, broker, random, until=place)
    frontier = run(config, log, broker, random, until=len(log))

    for topic in (DECISIONS, LATE, DEAD):
        assert broker.union(topic) == at_once.union(topic)
    assert frontier.unfinished == 0
    names = [decision.decision_id for decision in broker.decisions()]
    assert len(names) == len(set(names)), "a decision was published twice"
