"""A handheld that uploads late gives one decision; misread labels are no units."""

import asyncio
from collections import Counter
from dataclasses import replace
from pathlib import Path

from support.faults import FaultyLine, faulty_line
from support.sender import now_ms, observe

from schemas.modality import MODALITIES, Modality
from stream.settings import Settings

FIVE = tuple(m for m in MODALITIES if m is not Modality.ACOUSTIC)
NOTES = 400
WINDOW, GRACE, BEHIND = 3.0, 8.0, 5.0
SCALED = {"window": WINDOW, "grace": GRACE, "max_clock_skew": WINDOW}


async def test_late_uploads_and_misread_labels(settings: Settings, tmp_path: Path) -> None:
    async with faulty_line(settings, tmp_path, **SCALED) as line:
        for number in range(4):  # the line is at work, so that event time is near the clock
            line.send(f"LIVE-{number}")
            await asyncio.sleep(0.5)
        upload(line, "FIVE", FIVE)
        upload(line, "SIX", MODALITIES)
        notes(line, "NOREAD")
        notes(line, "noread", 3)
        notes(line, "LT-0000")
        await line.sender.flush()
        expected = NOTES + 3 + NOTES - line.settings.max_evidence
        await line.workers.until(lambda: len(line.dead.records) == expected, "dead letters", 20)
        # The whole line is as far behind as the handheld's clock is, until it is silent.
        await line.workers.until(lambda: bool(line.decisions.of_unit("FIVE")), "the upload", 40)
        await line.workers.until(lambda: bool(line.decisions.of_unit("LT-0000")), "the notes", 20)
        await line.workers.quiet(2)
        found = line.decisions.decisions()
        counts = Counter(decision.unit_id for decision in found)
        [five], [six] = line.decisions.of_unit("FIVE"), line.decisions.of_unit("SIX")
        assert {e.modality for e in five.evidence} == set(FIVE)
        assert (five.status, five.passage.closed_by) == ("final", "window")
        assert (six.status, six.passage.closed_by, len(six.evidence)) == ("final", "complete", 6)
        assert counts == {f"LIVE-{n}": 1 for n in range(4)} | {"FIVE": 1, "SIX": 1, "LT-0000": 1}
        assert Counter(line.dead_reasons()) == {
            "misread": NOTES + 3,
            "too-much-evidence": NOTES - line.settings.max_evidence,
        }
        assert line.late.records == []
        [misread] = line.decisions.of_unit("LT-0000")
        assert len(misread.evidence) == line.settings.max_evidence
        # A revision is as large as its evidence, and no larger.
        assert max(len(record.value) for record in line.decisions.records) < 25_000


def upload(line: FaultyLine, unit: str, modalities: tuple[Modality, ...]) -> None:
    """Readings of one unit that a handheld took some time ago, behind their passage's deadline."""
    taken = now_ms() - round(BEHIND * 1000)
    for observation in observe(unit, modalities, taken):
        line.sender.observation(replace(observation, source="handheld"), partition=0)


def notes(line: FaultyLine, unit: str, count: int = NOTES) -> None:
    [note] = observe(unit, (Modality.TEXT,))
    for number in range(count):
        line.sender.observation(replace(note, observation_id=f"{unit}-{number}"), partition=0)
