"""Tells what happened in a plant, for whoever looks for the cause of a fault."""

from schemas.feature_record import decode_feature_record
from schemas.mark import decode_mark, is_mark
from support.plant.line import make_step
from support.plant.scenario import START
from support.plant.world import World


def tell(world: World) -> None:
    """Prints the scenario, then every home's records with the watermark behind each."""
    print(world.scenario)
    for fault in world.scenario.faults:
        print("fault", fault.kind, fault.at - START, fault.lasts)
    for since, until in world.scenario.outages:
        print("outage", since - START, until - START)
    for since, until in world.group.troubles:
        print("trouble", since - START, until - START)
    for each in world.sent:
        print(
            "sent",
            each.appended_at - START,
            f"{each.tp.topic}[{each.tp.partition}]@{each.offset}",
            each.source,
            each.unit_id,
            each.observation_id,
            each.captured_at - START,
        )
    for log in world.broker.homes:
        step = make_step(world.scenario)
        for record in log.records:
            effects = step.step([record], record.timestamp)
            print(log.tp.partition, record.offset, record.timestamp - START, end=" ")
            if is_mark(record.value):
                mark = decode_mark(record.value)
                print("mark", mark.worker, mark.generation, end=" ")
                for said in mark.sources:
                    time = None if said.event_time is None else said.event_time - START
                    flags = ("A" if said.awake else "-") + ("E" if said.at_end else "-")
                    print(
                        f"{said.topic[6:9]}{said.partition}@{said.next_offset}:{time}{flags}",
                        end=" ",
                    )
            else:
                item = decode_feature_record(record.value)
                print(
                    item.unit_id,
                    item.observation_id,
                    item.captured_at - START,
                    item.origin,
                    end=" ",
                )
            print(
                "-> wm", step.watermark.value - START if step.watermark.value > 0 else None, end=""
            )
            for decision in effects.decisions:
                names = [each.observation_id for each in decision.evidence]
                print(
                    f" DECIDES {decision.unit_id}#{decision.revision} {decision.passage.closed_by} {names}",
                    end="",
                )
            if effects.late or effects.repeats:
                print(f" LATE {effects.late} REPEAT {effects.repeats}", end="")
            print()
