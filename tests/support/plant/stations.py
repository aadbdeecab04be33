"""The stations: what they saw, what their clocks said, and when the broker had it."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from random import Random
from zlib import crc32

from schemas.modality import Modality
from schemas.record import TopicPartition
from support.plant.broker import Broker
from support.plant.scenario import SECOND, START, Scenario, topic_of

DAY = 86_400 * SECOND
MAX_UNITS = 40


@dataclass(frozen=True, slots=True)
class Sent:
    """One observation as the broker got it."""

    appended_at: int
    tp: TopicPartition
    offset: int
    unit_id: str
    modality: Modality
    observation_id: str
    source: str
    captured_at: int


@dataclass(frozen=True, slots=True)
class _Seen:
    at: int
    """The true time."""
    sent_at: int
    unit_id: str
    modality: Modality
    observation_id: str
    source: str
    captured_at: int
    luck: float
    """Chooses the partition where the key is null."""


@dataclass(frozen=True, slots=True)
class _Station:
    name: str
    topic: str
    ahead: int
    """Of the true time at the beginning."""
    drift: float
    """ms of its clock per ms."""
    uploads_every: int | None
    """A handheld sends what it has seen when it comes back to its dock."""
    idle: tuple[int, int]
    """From, until: nobody works there."""
    partitioner: str
    metadata_age: int

    def clock(self, at: int) -> int:
        return at + self.ahead + round((at - START) * self.drift)

    def partition(self, broker: Broker, seen: "_Seen", at: int) -> int:
        count = broker.partition_counts(at - self.metadata_age)[self.topic]
        match self.partitioner:
            case "null":
                return int(seen.luck * count)
            case "station":
                return crc32(self.name.encode()) % count
        return crc32(seen.unit_id.encode()) % count

    def sends_at(self, rng: Random, at: int) -> int:
        if self.uploads_every is None:
            return at + rng.choice([5, 50, 300, 900])
        return START + -(-(at - START + 1) // self.uploads_every) * self.uploads_every


def send_all(scenario: Scenario, broker: Broker) -> list[Sent]:
    """Fills the input topics; returns what was sent, in the order of appending."""
    rng = scenario.random("stations")
    desks = {m: _desks(scenario, rng, m) for m in scenario.modalities}
    by_name = {desk.name: desk for each in desks.values() for desk in each}
    seen = list(_work(scenario, rng, desks))
    if scenario.mode in ("recording", "loaded"):
        appends = _recording(scenario, broker, rng, seen)
    else:
        appends = _live(broker, rng, seen)
    sent = []
    for at, each in sorted(appends, key=lambda item: item[0]):
        partition = by_name[each.source].partition(broker, each, at)
        tp = TopicPartition(topic_of(each.modality), partition)
        record = broker.inputs[tp].append(at, None, None)
        sent.append(
            Sent(
                at,
                tp,
                record.offset,
                each.unit_id,
                each.modality,
                each.observation_id,
                each.source,
                each.captured_at,
            )
        )
    return sent


def _work(
    scenario: Scenario, rng: Random, stations: Mapping[Modality, list[_Station]]
) -> Iterator[_Seen]:
    """What the stations see of the units that pass."""
    numbers: dict[str, int] = defaultdict(int)
    at, units = START + rng.randrange(5 * SECOND), 0
    pace: Callable[[], int] = rng.choice(
        [lambda: 2 * SECOND, lambda: 8 * SECOND, lambda: rng.choice([0, 500, 3_000, 15_000])]
    )
    while at < START + scenario.lasts and units < MAX_UNITS:
        returns = units > 5 and rng.random() < 0.05
        unit_id = f"U-{rng.randrange(units) if returns else units}"
        units += 1
        for modality in scenario.modalities:
            if rng.random() < 0.1:
                continue
            for _ in range(rng.choice([1, 1, 1, 1, 2])):
                when = at + rng.randrange(scenario.window * 2 // 3)
                desks = [
                    desk for desk in stations[modality] if not desk.idle[0] <= when < desk.idle[1]
                ]
                if not desks:
                    continue
                desk = rng.choice(desks)
                numbers[desk.name] += 1
                one = _Seen(
                    at=when,
                    sent_at=desk.sends_at(rng, when),
                    unit_id=unit_id,
                    modality=modality,
                    observation_id=f"{desk.name}-{numbers[desk.name]}",
                    source=desk.name,
                    captured_at=desk.clock(when),
                    luck=rng.random(),
                )
                yield one
                if rng.random() < 0.03:  # the client had no answer and sends again
                    later = one.sent_at + rng.randrange(2 * SECOND)
                    yield replace(one, luck=rng.random(), sent_at=later)
        at += pace()
        if rng.random() < 0.03:
            at += rng.choice([8, 30, scenario.stay // SECOND + 20]) * SECOND


def _desks(scenario: Scenario, rng: Random, modality: Modality) -> list[_Station]:
    behind = rng.choice([70, 120, 190]) * SECOND if scenario.mode == "slow" else 0
    spread = rng.choice([0, SECOND, scenario.stay // 4, scenario.stay // 2])
    partitioner = rng.choice(["unit", "null", "station"])
    desks = []
    for number in range(rng.randint(1, 4)):
        ahead = rng.randint(-spread, spread) - behind
        if rng.random() < 0.03:
            ahead -= rng.choice([100, 150, 250, 3 * 3_600]) * SECOND
        elif behind == 190 * SECOND and rng.random() < 0.1:
            ahead += 240 * SECOND
        uploads = rng.randint(5, max(scenario.stay // (3 * SECOND), 6)) * SECOND
        idle_from = START + rng.randrange(scenario.lasts)
        desks.append(
            _Station(
                name=f"{modality}-{number}",
                topic=topic_of(modality),
                ahead=ahead,
                drift=rng.uniform(-1e-4, 1e-4),
                uploads_every=uploads if rng.random() < 0.15 else None,
                idle=(idle_from, idle_from + rng.choice([0, 20, 60, 120]) * SECOND),
                partitioner=partitioner,
                metadata_age=rng.randrange(10 * SECOND),
            )
        )
    return desks


def _live(broker: Broker, rng: Random, seen: list[_Seen]) -> Iterator[tuple[int, _Seen]]:
    """Each station sends in its own order; in an outage it waits and sends all of it later."""
    last: dict[str, int] = defaultdict(int)
    reconnects: dict[tuple[str, int], int] = {}
    for each in sorted(seen, key=lambda one: one.sent_at):
        at = max(each.sent_at, last[each.source])
        back = broker.back_at(at)
        if back > at:
            delay = reconnects.setdefault((each.source, back), rng.randrange(10 * SECOND))
            at = max(back + delay, last[each.source])
        last[each.source] = at
        yield at, each


def _recording(
    scenario: Scenario, broker: Broker, rng: Random, seen: list[_Seen]
) -> Iterator[tuple[int, _Seen]]:
    """Yesterday's observations, merged by event time, at any rate, with a pause of 8 s."""
    rate = rng.choice([0.5, 1.0, 5.0, 50.0])
    merged = sorted(seen, key=lambda one: one.captured_at)
    if not merged:
        return
    begins = merged[0].captured_at
    pauses_before = rng.randrange(len(merged))
    times = [START + round((one.captured_at - begins) / rate) for one in merged]
    at = 0
    for number, (time, one) in enumerate(zip(times, merged, strict=True)):
        pause = min(8 * SECOND, scenario.window) if number >= pauses_before else 0
        due = START if scenario.mode == "loaded" else time + pause
        at = max(broker.back_at(due), at)
        yield at, replace(one, captured_at=one.captured_at - DAY)
