"""A plant whose clocks are behind, and a recording of yesterday, are on time: all as if live."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from support.faults import FaultyLine, faulty_line
from support.sender import now_ms, observe

from schemas.modality import MODALITIES, Modality
from stream.settings import Settings

SOME = (Modality.VISUAL, Modality.TEXT)
DAY = 86_400.0
EVERY = 2.5
"""Seconds between two units, longer than stations count that are not live."""


async def test_nothing_is_late_because_all_is_behind(settings: Settings, tmp_path: Path) -> None:
    async with (
        faulty_line(settings, tmp_path, "behind70") as behind70,
        faulty_line(settings, tmp_path, "behind120") as behind120,
        faulty_line(settings, tmp_path, "yesterday") as yesterday,
    ):
        expected = await asyncio.gather(
            send_live(behind70, 70), send_live(behind120, 120), send_recording(yesterday)
        )
        for line, units in zip((behind70, behind120, yesterday), expected, strict=True):
            await line.workers.until(decided(line, units), "all units decided", 40)
        await behind70.workers.quiet(1)
        for line, units in zip((behind70, behind120, yesterday), expected, strict=True):
            found = {
                decision.unit_id: (decision.status, len(decision.evidence))
                for decision in line.decisions.decisions()
            }
            assert found == {unit: ("final", count) for unit, count in units.items()}
            assert len(line.decisions.records) == len(units)
            assert (line.late.records, line.dead.records) == ([], [])
            reasons = Counter(d.passage.closed_by for d in line.decisions.decisions())
            assert reasons["complete"] == sum(count == 6 for count in units.values())


def decided(line: FaultyLine, units: dict[str, int]) -> Callable[[], bool]:
    return lambda: {d.unit_id for d in line.decisions.decisions()} >= units.keys()


async def send_live(line: FaultyLine, behind: float) -> dict[str, int]:
    """A unit every few seconds, some without four of their modalities; how many each has."""
    units = {f"LT-{number}": 2 if number % 2 else 6 for number in range(5)}
    for unit, count in units.items():
        # Its modalities come one after the other, so that many a mark lies between them.
        for modality in MODALITIES if count == 6 else SOME:
            line.send(unit, (modality,), behind=behind)
            await asyncio.sleep(EVERY / 6)
    return units


async def send_recording(line: FaultyLine) -> dict[str, int]:
    """24 units of yesterday, merged by event time, with a pause while units are under way."""
    began = now_ms() - round(DAY * 1000)
    units = {f"LT-{number}": 6 for number in range(24)}
    merged = sorted(
        (
            replace(observation, captured_at=began + 1000 * number + 350 * step)
            for number, unit in enumerate(units)
            for step, observation in enumerate(observe(unit))
        ),
        key=lambda observation: observation.captured_at,
    )
    half = len(merged) // 2
    for index, observation in enumerate(merged):
        line.sender.observation(observation, partition=0)
        if index == half:
            await line.sender.flush()
            await asyncio.sleep(line.settings.window * 0.7)
    return units
