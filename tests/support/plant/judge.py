"""The judge: knows what happened and says what the line did wrong.

It finds fault with
- late: an observation that was entitled to be on time (`entitled`) is late;
- held: the line has gone silent (nothing is sent and nothing befalls it any more), and a passage
  has no final decision within window, `idle_timeout`, the spread of the clocks (window and grace at
  most), `max_out_of_orderness` and a few seconds;
- lost: an observation that is neither evidence of the last revision of a passage, nor late, nor a
  dead letter; or that is more than one of these;
- conflict: two decisions of one name that differ;
- crash: decisions or late letters of workers that crash differ from those of one that does not;
- revision: revisions of a passage with gaps, or with less evidence than the one before.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from schemas.decision import Decision
from schemas.feature_record import Origin
from support.plant.entitled import entitled
from support.plant.history import History
from support.plant.scenario import SECOND
from support.plant.stations import Sent
from support.plant.world import World

FEW = 8 * SECOND
"""A mark a second, the network, the poll that finds a partition at its end."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one seed."""

    seed: int
    faults: tuple[str, ...]
    observations: int
    decisions: int
    late: int
    entitled: int


def judge(world: World) -> Verdict:
    """Returns what the line did wrong, and how much it did."""
    usable = [s for s in world.sent if _origin(s) not in world.group.dead]
    group = world.group
    rights = list(
        entitled(world.scenario, world.broker, usable, group.troubles, group.started)
    )
    histories = [home.history for home in world.homes]
    late = {origin for history in histories for origin in history.late}
    faults = [
        f"late: {each.source} {each.tp.topic}[{each.tp.partition}]@{each.offset}"
        for each, right in zip(usable, rights, strict=True)
        if right and _origin(each) in late
    ]
    faults += _held(world)
    faults += _lost(world, late)
    for home, (plain, other) in enumerate(zip(histories, world.interrupted, strict=True)):
        faults += [f"home {home} {each}" for each in _conflicts(plain)]
        faults += [f"home {home} {each}" for each in _revisions(plain)]
        faults += [f"home {home} {each}" for each in _differences(plain, other)]
    return Verdict(
        world.scenario.seed,
        tuple(faults),
        len(world.sent),
        sum(len(history.decisions) for history in histories),
        len(late),
        sum(rights),
    )


def _origin(sent: Sent) -> Origin:
    return Origin(*sent.tp, sent.offset)


def _held(world: World) -> Iterator[str]:
    scenario = world.scenario
    ends = [each.appended_at for each in world.sent]
    ends += [until for _, until in world.group.troubles]
    ends += [until for _, until in scenario.outages if until <= world.clockwork.now]
    silent = max(ends, default=0)
    spread = min(_spread(world, silent), scenario.stay)
    allowed = scenario.window + scenario.idle_timeout + spread + scenario.out_of_orderness + FEW
    for number, home in enumerate(world.homes):
        if home.step.join.open_passages:
            holding = ", ".join(home.step.watermark.holding())
            yield f"held: home {number} has open passages at the end; {holding}"
        status: dict[str, str] = {}
        for at, decision in home.history.decisions:
            if status.get(decision.passage_id, "provisional") == "provisional":
                status[decision.passage_id] = decision.status
                if decision.status == "final" and at > silent + allowed:
                    yield f"held: {decision.unit_id} for {(at - silent) / SECOND:.1f} s of silence"
        for passage_id, last in status.items():
            if last == "provisional":
                yield f"held: passage {passage_id} has a provisional decision only"


def _spread(world: World, silent: int) -> int:
    """Returns how far apart the clocks are at the end, of the stations that may still count."""
    ahead: list[int] = []
    recent: list[int] = []
    for each in world.sent:
        clock = each.captured_at - world.broker.answering_time(each.appended_at)
        ahead.append(clock)
        if each.appended_at > silent - 2 * world.scenario.stay:
            recent.append(clock)
    return max(ahead) - min(recent) if recent else 0


def _lost(world: World, late: set[Origin]) -> Iterator[str]:
    last: dict[str, Decision] = {}
    for home in world.homes:
        for _, decision in home.history.decisions:
            last[decision.passage_id] = decision
    places: dict[tuple[str, str], list[str]] = defaultdict(list)
    for decision in last.values():
        for each in decision.evidence:
            places[decision.unit_id, each.observation_id].append(decision.passage_id[:8])
    seen = set()
    for sent in world.sent:
        name = sent.unit_id, sent.observation_id
        if _origin(sent) in world.group.dead or name in seen:
            continue
        seen.add(name)
        copies = [s for s in world.sent if (s.unit_id, s.observation_id) == name]
        lates = [s for s in copies if _origin(s) in late]
        where = places[name]
        if len(where) > 1:
            yield f"lost: {name} is evidence of {len(where)} passages"
        elif where and len(lates) == len(copies):
            yield f"lost: {name} is late and evidence"
        elif not where and not lates:
            yield f"lost: {name} is nowhere"


def _content(decision: Decision) -> str:
    return decision.model_dump_json()


def _conflicts(history: History) -> Iterator[str]:
    known: dict[str, str] = {}
    for _, decision in history.decisions:
        content = _content(decision)
        if known.setdefault(decision.decision_id, content) != content:
            yield f"conflict: {decision.unit_id} revision {decision.revision}"


def _revisions(history: History) -> Iterator[str]:
    known: dict[str, tuple[int, set[str]]] = {}
    for _, decision in history.decisions:
        revision, evidence = known.get(decision.passage_id, (0, set()))
        now = {each.observation_id for each in decision.evidence}
        if decision.revision <= revision:
            continue  # published again; `_conflicts` looks at what it says
        if decision.revision != revision + 1 or not now >= evidence:
            yield f"revision: {decision.unit_id} {revision} then {decision.revision}"
        known[decision.passage_id] = decision.revision, now


def _differences(plain: History, other: History) -> Iterator[str]:
    yield from _conflicts(other)
    yield from _revisions(other)
    ours, theirs = _by_id(plain), _by_id(other)
    for name in ours.keys() | theirs.keys():
        if name not in theirs:
            yield f"crash: {ours[name].unit_id} revision {ours[name].revision} is missing"
        elif name not in ours:
            yield f"crash: {theirs[name].unit_id} revision {theirs[name].revision} is new"
        elif _content(ours[name]) != _content(theirs[name]):
            yield f"crash: {ours[name].unit_id} revision {ours[name].revision} differs"
    for origin in set(plain.late) ^ set(other.late):
        yield f"crash: {origin} is late in one only"


def _by_id(history: History) -> dict[str, Decision]:
    decisions: Iterable[Decision] = (decision for _, decision in history.decisions)
    return {decision.decision_id: decision for decision in decisions}
