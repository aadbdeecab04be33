"""What must hold for every arrival order, crash and garbage."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from support.decisions import decision_of
from support.join_driver import JoinTestDriver, Token, finished_by

from agents.join import BEGINNING, Arrival, Excess, Finished, JoinConfig, Output, Revision, TooLate
from schemas.feature_record import Origin
from schemas.modality import MODALITIES, Modality

WINDOW, GRACE, LAG = 60, 30, 10
EXPECTED = (Modality.VISUAL, Modality.TEXT, Modality.THERMAL)
SPEAKING = (*EXPECTED, Modality.ACOUSTIC)
"""The modalities that observe anything; one of them is never expected."""

provisional_times = st.sampled_from([None, 0, 25])
randoms = st.randoms(use_true_random=False)


def driver_with(provisional_after: int | None) -> JoinTestDriver:
    return JoinTestDriver(JoinConfig(WINDOW, GRACE, lambda unit: EXPECTED, provisional_after))


# -- a partition: what lies in its topics, and delivering it ------------------------------------


def arrival(number: int, unit_id: str, modality: Modality, at: int, name: str) -> Arrival:
    origin = Origin(f"units.{modality}", 0, number)
    return Arrival(unit_id, modality, name, at, "station", origin, token=Token(number, name))


@st.composite
def observations(draw: st.DrawFn) -> list[Arrival]:
    """Observations of separate stays, some sent twice."""
    found: list[Arrival] = []
    for unit_id in ("x", "y", "z")[: draw(st.integers(1, 3))]:
        end = -WINDOW
        for _ in range(draw(st.integers(1, 3))):
            start = end + WINDOW + 1 + draw(st.integers(0, 150))
            members = st.tuples(st.sampled_from(SPEAKING), st.integers(0, WINDOW))
            for modality, after in draw(st.lists(members, min_size=1, max_size=6)):
                name = f"{unit_id}{len(found)}"
                found.append(arrival(len(found), unit_id, modality, start + after, name))
                end = max(end, start + after)
    for again in draw(st.lists(st.sampled_from(found), max_size=3)):
        same = (again.unit_id, again.modality, again.captured_at, again.observation_id)
        found.append(arrival(len(found), *same))
    return found


Topics = dict[Modality, list[Arrival]]


def sort_into_topics(found: Iterable[Arrival], delay: Callable[[], int]) -> Topics:
    """Each modality's records as they were sent: by event time but for a delay of each."""
    sent = sorted(found, key=lambda a: a.captured_at + delay())
    return {m: [a for a in sent if a.modality is m] for m in MODALITIES}


def interleave(topics: Topics, random: Random) -> Iterator[tuple[Arrival, int]]:
    """The topics as they meet in a home partition: each record, and how far event time has come
    behind it. It follows the topic that is furthest behind of those that have more to say."""
    left = {m: list(reversed(records)) for m, records in topics.items()}
    clocks = dict.fromkeys(MODALITIES, BEGINNING)
    while speaking := [m for m in MODALITIES if left[m]]:
        modality = random.choice(speaking)
        record = left[modality].pop()
        clocks[modality] = max(clocks[modality], record.captured_at)
        awake = [clocks[m] for m in MODALITIES if left[m]]
        yield record, min(awake, default=max(clocks.values())) - LAG


def deliver(driver: JoinTestDriver, home: Iterable[tuple[Arrival, int]]) -> list[Output]:
    """Reads records of a home partition; says what came out."""
    before = len(driver.outputs)
    for record, watermark in home:
        driver.replay([record])
        driver.watermark(watermark)
    return driver.outputs[before:]


def last_revisions(outputs: Iterable[Output]) -> list[tuple[object, ...]]:
    """What consumers keep: of each passage the highest revision."""
    last: dict[str, Revision] = {}
    for revision in (o for o in outputs if isinstance(o, Revision)):
        known = last.get(revision.passage_id)
        if known is None or known.revision < revision.revision:
            last[revision.passage_id] = revision
    return sorted(
        (r.unit_id, r.opened_at, r.deadline, keys(r), r.missing, r.closed_by) for r in last.values()
    )


def keys(revision: Revision) -> tuple[tuple[str, str], ...]:
    return tuple(a.key for a in revision.evidence)


def check_revisions(outputs: Iterable[Output]) -> None:
    """Revisions count on from 1, name what they supersede, gain evidence and are never renamed."""
    last: dict[str, Revision] = {}
    seen: set[str] = set()
    for revision in (o for o in outputs if isinstance(o, Revision)):
        assert revision.decision_id not in seen, "one decision_id, two decisions"
        seen.add(revision.decision_id)
        known = last.get(revision.passage_id)
        assert revision.revision == (known.revision if known else 0) + 1
        assert revision.supersedes == (known.decision_id if known else None)
        if known:
            more = set(keys(revision)) - set(keys(known))
            assert set(keys(known)) <= set(keys(revision))
            assert more or known.status == "provisional"
        last[revision.passage_id] = revision


def sorted_arrival(found: list[Arrival], provisional_after: int | None) -> list[tuple[object, ...]]:
    driver = driver_with(provisional_after)
    for observation in sorted(found, key=lambda a: a.captured_at):
        driver.replay([observation])
        driver.watermark(observation.captured_at)
    driver.finish()
    assert not any(isinstance(o, TooLate) for o in driver.outputs)
    return last_revisions(driver.outputs)


# -- (a) determinism ----------------------------------------------------------------------------


@settings(deadline=None)
@given(observations(), provisional_times, randoms)
def test_last_revisions_do_not_depend_on_the_order_of_arrival(
    found: list[Arrival], provisional_after: int | None, random: Random
) -> None:
    topics = sort_into_topics(found, delay=lambda: random.randrange(LAG + GRACE))
    driver = driver_with(provisional_after)
    deliver(driver, interleave(topics, random))
    driver.finish()
    check_revisions(driver.outputs)
    assert driver.join.inseparable == 0
    assert last_revisions(driver.outputs) == sorted_arrival(found, provisional_after)


@settings(deadline=None)
@given(observations(), randoms)
def test_within_max_out_of_orderness_a_window_closes_once(
    found: list[Arrival], random: Random
) -> None:
    """And on all that it will ever have: nothing that is not late amends it."""
    once = list({a.key: a for a in found}.values())
    driver = driver_with(None)
    topics = sort_into_topics(once, delay=lambda: random.randrange(LAG))
    deliver(driver, interleave(topics, random))
    driver.finish()
    closed = [o for o in driver.outputs if isinstance(o, Revision) and o.closed_by == "window"]
    assert all(revision.revision == 1 for revision in closed)


# -- (c) crashes --------------------------------------------------------------------------------


@dataclass
class Broker:
    """What survives a crash: the home, how far it is committed, and what was published."""

    home: list[tuple[Arrival, int]]
    committed: int = 0
    published: list[Output] = field(default_factory=list)
    finished: set[Token] = field(default_factory=set)

    def take(self, outputs: list[Output], random: Random) -> None:
        """These had their effect; some of the contiguous finished records are committed."""
        self.published += outputs
        self.finished.update(token for output in outputs for token in finished_by(output))
        frontier = self.committed
        while frontier < len(self.home) and self.home[frontier][0].token in self.finished:
            frontier += 1
        self.committed = random.randint(self.committed, frontier)


@settings(deadline=None)
@given(observations(), provisional_times, st.integers(1, 3), randoms)
def test_crashes_change_no_last_revision(
    found: list[Arrival], provisional_after: int | None, crashes: int, random: Random
) -> None:
    topics = sort_into_topics(found, delay=lambda: random.randrange(LAG + GRACE))
    broker = Broker(list(interleave(topics, random)))
    driver = driver_with(provisional_after)
    for _ in range(crashes):
        upto = broker.committed + random.randint(0, len(found))
        outputs = deliver(driver, broker.home[broker.committed : upto])
        broker.take(outputs[: random.randint(0, len(outputs))], random)
        published = [o for o in broker.published if isinstance(o, Revision)]
        driver.restart(map(decision_of, published))
        if broker.committed:
            driver.watermark(broker.home[broker.committed - 1][1])
    before = len(driver.outputs)
    deliver(driver, broker.home[broker.committed :])
    driver.finish()
    broker.take(driver.outputs[before:], random)

    check_revisions(broker.published)
    assert last_revisions(broker.published) == sorted_arrival(found, provisional_after)
    assert broker.finished == {a.token for a in found}


# -- (b), (d) garbage ---------------------------------------------------------------------------

piped = st.tuples(
    st.just("pipe"),
    st.sampled_from(["x", "y"]),
    st.sampled_from(SPEAKING),
    st.integers(0, 20).map(lambda t: 10 * t),
    st.sampled_from(["", "'"]),
)
advanced = st.tuples(st.just("watermark"), st.integers(0, 40).map(lambda t: 10 * t))
crashed = st.tuples(st.just("restart"))
configs = st.builds(
    JoinConfig,
    window=st.sampled_from([10, 60]),
    grace=st.sampled_from([0, 30, 200]),
    expected=st.sampled_from([lambda unit: EXPECTED, lambda unit: (), lambda unit: EXPECTED[:1]]),
    provisional_after=st.sampled_from([None, 0, 5]),
    max_evidence=st.sampled_from([1, 3, 64]),
)


def check_books(driver: JoinTestDriver) -> None:
    join = driver.join
    passages = [p for passages in join._units.values() for p in passages]
    assert join.open_passages == sum(bool(p.members) for p in passages)
    assert all(join._units.values())
    timers = join._timers
    assert all(timers[(i - 1) // 2] <= timers[i] for i in range(1, len(timers)))
    assert not timers or timers[0][0] > join.watermark


def check_forgotten(driver: JoinTestDriver) -> None:
    driver.finish()
    assert (driver.join.open_passages, driver.join._units, driver.join._timers) == (0, {}, [])
    assert driver.unfinished == {}


@settings(deadline=None)
@given(configs, st.lists(st.one_of(piped, piped, advanced), max_size=40))
def test_every_observation_is_evidence_late_excess_or_duplicate_and_finished_once(
    config: JoinConfig, steps: list[tuple[Any, ...]]
) -> None:
    driver = JoinTestDriver(config)
    records = 0
    for verb, *arguments in steps:
        if verb == "pipe":
            unit_id, modality, at, name = arguments
            driver.pipe(unit_id, modality, at, f"{at}{name}")
            records += 1
        else:
            driver.watermark(*arguments)
        check_books(driver)
    check_forgotten(driver)
    check_revisions(driver.outputs)

    last: dict[str, set[Token]] = {}
    finished: Counter[Token] = Counter()
    for output in driver.outputs:
        finished.update(finished_by(output))
        if isinstance(output, Revision):
            last[output.passage_id] = {a.token for a in output.evidence}
    evidence = [token for tokens in last.values() for token in tokens]
    late = [o.arrival.token for o in driver.outputs if isinstance(o, TooLate)]
    assert len(evidence) == len(set(evidence)), "evidence of two passages"
    excess = [o.arrival.token for o in driver.outputs if isinstance(o, Excess)]
    assert len({*evidence, *late, *excess}) == len(evidence) + len(late) + len(excess)
    assert len(evidence) + len(late) + len(excess) + driver.join.duplicates == records
    assert set(finished.values()) <= {1}
    assert len(finished) == records


@settings(deadline=None)
@given(configs, st.lists(st.one_of(piped, piped, piped, advanced, crashed), max_size=40), randoms)
def test_crashes_amid_garbage_lose_nothing_and_contradict_nothing(
    config: JoinConfig, steps: list[tuple[Any, ...]], random: Random
) -> None:
    driver = JoinTestDriver(config)
    sent = set()
    for verb, *arguments in steps:
        if verb == "pipe":
            unit_id, modality, at, name = arguments
            driver.pipe(unit_id, modality, at, f"{at}{name}")
            sent.add((unit_id, modality, f"{at}{name}"))
        elif verb == "watermark":
            driver.watermark(*arguments)
        else:
            driver.restart()
            replayed = driver.undelivered
            random.shuffle(replayed)
            driver.replay(replayed)
        check_books(driver)
    check_forgotten(driver)
    check_revisions(driver.outputs)
    known = set()
    for output in driver.outputs:
        if isinstance(output, Revision):
            known |= {(a.unit_id, *a.key) for a in output.evidence}
        elif isinstance(output, TooLate | Excess):
            known.add((output.arrival.unit_id, *output.arrival.key))
    assert known == sent


wild = st.tuples(
    st.sampled_from(["pipe", "pipe", "watermark", "restart"]),
    st.integers(0, 2**48),
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from(MODALITIES),
)


@settings(deadline=None)
@given(configs, st.lists(wild, max_size=60))
def test_nothing_raises_and_nothing_is_kept(
    config: JoinConfig, steps: list[tuple[str, int, str, Modality]]
) -> None:
    """Identifiers that come again with other times, and event time that jumps."""
    driver = JoinTestDriver(config)
    for verb, number, name, modality in steps:
        match verb:
            case "pipe":
                driver.pipe("x", modality, number % 500, name)
            case "watermark":
                driver.watermark(number)
            case "restart":
                driver.restart(reached=number if number % 2 else BEGINNING)
                driver.replay(driver.undelivered)
        check_books(driver)
    check_forgotten(driver)
    assert all(output.tokens for output in driver.outputs if isinstance(output, Finished))
