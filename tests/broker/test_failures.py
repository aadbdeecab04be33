"""Whatever fails inside a worker ends it: exit code 1 within 10 s, and the log says why."""

import asyncio
import time
from pathlib import Path

import pytest
from support import sabotage
from support.faults import faulty_line
from support.forked_worker import Sabotage

from stream.settings import Settings

AT_START = (sabotage.loading, sabotage.reading_back, sabotage.clock_behind)
SAYS = {
    "clock_ahead": "ms ahead of the broker's; set it",
    "clock_behind": "ms behind the broker's; set it",
}
"""What the last line says, of faults that an operator can mend."""
PLACES: dict[str, tuple[Sabotage, ...]] = {
    "steps": (
        sabotage.extract_step,
        sabotage.extract_step_exits,
        sabotage.decide_step,
        sabotage.model_encodes,
        sabotage.model_decides,
    ),
    "tasks": (
        sabotage.looking_task,
        sabotage.marking_task,
        sabotage.marking_task_is_cancelled,
        sabotage.executors,
        sabotage.producer_task,
    ),
    "faust": (
        sabotage.committing,
        sabotage.commit_in_thread,
        sabotage.taking_is_cancelled,
        sabotage.assigning,
        sabotage.revoking,
        sabotage.loading,
        sabotage.reading_back,
    ),
    "client": (
        sabotage.polling,
        sabotage.consumer_thread,
        sabotage.fetching_task,
        sabotage.coordinating_task,
    ),
    "clock": (sabotage.clock_ahead, sabotage.clock_behind),
}


@pytest.mark.parametrize(
    "places",
    [
        # The embedded broker does not stamp records with its own time.
        pytest.param(places, id=name, marks=[pytest.mark.real_kafka] if name == "clock" else [])
        for name, places in PLACES.items()
    ],
)
async def test_a_failure_inside_ends_the_worker(
    settings: Settings, tmp_path: Path, places: tuple[Sabotage, ...]
) -> None:
    """All places of a group at once, each in a worker and on a line of its own."""
    told = await asyncio.gather(*[fault_of(place, settings, tmp_path) for place in places])
    faults = [
        f"{place.__name__}: {fault}" for place, fault in zip(places, told, strict=True) if fault
    ]
    assert not faults, "\n".join(faults)


async def fault_of(place: Sabotage, settings: Settings, folder: Path) -> str | None:
    """Sabotages a worker in one place; returns what was wrong with its end."""
    name = place.__name__
    async with faulty_line(settings, folder, name, start=False) as line:
        worker = line.workers.start(sabotage=place)
        if place not in AT_START:
            await line.workers.ready()
        worker.break_now()
        number = 0
        while sabotage.STRUCK not in worker.log:
            worker.check()
            number += 1
            line.send(f"LT-{number}")
            await line.sender.flush()
            await asyncio.sleep(0.2)
        struck = time.monotonic()
        code = await worker.end(within=12)
        seconds = time.monotonic() - struck
        lines = [text for text in worker.log.splitlines() if "so this worker ends" in text]
        # The processes of both stages may fail, each with one line: "[time] [pid] ...".
        once_each = len({text.split("] [")[1] for text in lines}) == len(lines) > 0
        as_said = once_each and all(SAYS.get(name, "") in text for text in lines)
        as_said = as_said and "Error while stopping" not in worker.log
        if code == 1 and seconds < 10 and as_said and not line.dead.records:
            return None
        found = f"exit code {code} after {seconds:.1f} s, {len(line.dead.records)} dead letters"
        return f"{found}, {lines}\n{worker.tail()}"
