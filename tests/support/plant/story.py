"""Tells what happened in a plant, for whoever looks for the cause of a fault."""

from agents.decide.step import Effects
from schemas.feature_record import decode_feature_record
from schemas.mark import SourceProgress, decode_mark, is_mark
from schemas.record import Record
from support.plant.line import make_step
from support.plant.scenario import START
from support.plant.world import World


def tell(world: World) -> None:
    """Prints the scenario, what was sent, and each home's records with what they did.

    Times are ms since the beginning; `wm` is the watermark. Of a partition a mark says topic,
    partition, @next offset, :event time, A where it is awake, E where it was at its end.
    """
    print(world.scenario)
    for fault in world.scenario.faults:
        print("fault", fault.kind, fault.at - START, "for", fault.lasts)
    for since, until in world.scenario.outages:
        print("outage", since - START, until - START)
    for since, until in world.group.troubles:
        print("trouble", since - START, until - START)
    for sent in world.sent:
        place = f"{sent.tp.topic}[{sent.tp.partition}]@{sent.offset}"
        print("sent", sent.appended_at - START, place, sent.unit_id, sent.observation_id, end=" ")
        print(sent.captured_at - START)
    for log in world.broker.homes:
        step = make_step(world.scenario)
        for record in log.records:
            effects = step.step([record], record.timestamp)
            reached = step.watermark.value - START if step.watermark.value > 0 else None
            place = f"home {log.tp.partition}@{record.offset} {record.timestamp - START}"
            print(place, _record(record), "-> wm", reached, *_did(effects))


def _record(record: Record) -> str:
    if is_mark(record.value):
        mark = decode_mark(record.value)
        said = " ".join(map(_said, mark.sources))
        return f"mark of {mark.worker} in {mark.generation}: {said}"
    item = decode_feature_record(record.value)
    return f"{item.unit_id} {item.observation_id} {item.captured_at - START}"


def _said(said: SourceProgress) -> str:
    time = None if said.event_time is None else said.event_time - START
    flags = "A" * said.awake + "E" * said.at_end
    return f"{said.topic.split('.')[1][:3]}{said.partition}@{said.next_offset}:{time}{flags}"


def _did(effects: Effects) -> list[str]:
    done = ["LATE"] * effects.late + ["REPEAT"] * effects.repeats
    for decision in effects.decisions:
        names = ",".join(each.observation_id for each in decision.evidence)
        done.append(f"DECIDES {decision.unit_id}#{decision.revision} {decision.status} {names}")
    return done
