"""Stations whose clocks are wrong: they are named, and harm nobody but what they send."""

import asyncio
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from support.faults import faulty_line
from support.sender import now_ms, observe

from schemas.codec import encode
from schemas.modality import MODALITIES, Modality
from stream.settings import Settings

RIGHT = tuple(m for m in MODALITIES if m is not Modality.TEXT)
HOURS = 5 * 3600.0
FEW_SECONDS = 4.0


async def test_wrong_clocks_hold_nobody_and_make_nobody_late(
    settings: Settings, tmp_path: Path
) -> None:
    """The only desk that writes notes is hours behind; of three cameras two are fast, and one says
    that it is 1970."""
    async with faulty_line(settings, tmp_path, metrics=True) as line:
        units = [f"LT-{number}" for number in range(8)]
        for unit in units:
            line.send(unit, RIGHT)
            line.send(unit, (Modality.TEXT,), behind=HOURS)
            for source, ahead in {"cam-fast": 240_000, "cam-40": 4_000}.items():
                [fast] = observe(f"{source}-{unit}", (Modality.VISUAL,), now_ms() + ahead)
                line.sender.observation(replace(fast, source=source), partition=0)
            [epoch] = observe(f"cam-1970-{unit}", (Modality.VISUAL,), captured := now_ms())
            value = encode(epoch, "json").replace(str(captured).encode(), b"0")
            line.sender.record(line.topics.observation(Modality.VISUAL), value, None, 0)
            await asyncio.sleep(0.6)
        silent_since = time.monotonic()
        config = line.settings
        bound = config.window + config.idle_timeout + config.window + config.grace + FEW_SECONDS

        def decided() -> set[str]:
            return {d.unit_id for d in line.decisions.decisions()}

        def all_decided() -> bool:
            return decided() >= {*units, *[f"cam-40-{unit}" for unit in units]}

        await line.workers.until(all_decided, "all units decided", bound)
        print(f"{time.monotonic() - silent_since:.1f} of {bound:.1f} s")
        wrong = line.metric("regrade_wrong_clocks")
        dead = line.metric("regrade_dead_letters_total")
        log = line.worker.log
        seen = {
            d.unit_id: {str(e.modality) for e in d.evidence}
            for d in line.decisions.decisions()
            if d.evidence[0].modality is not Modality.TEXT
        }
        assert [seen[unit] for unit in units] == [{str(m) for m in RIGHT}] * len(units)
        # Only the desk's own notes are late.
        late = [record.value for record in line.late.records]
        assert len(late) == sum(b"-text" in value for value in late)
        assert Counter(line.dead_reasons()) == {
            "clock-skew": len(units),
            "invalid-field": len(units),
        }
    topic = line.topics.observation
    assert dead == {
        f'{{reason="clock-skew",topic="{topic(Modality.VISUAL)}"}}': len(units),
        f'{{reason="invalid-field",topic="{topic(Modality.VISUAL)}"}}': len(units),
    }
    assert wrong['{kind="partition"}'] == 1
    behind = [
        text for text in log.splitlines() if f"The clock of {topic(Modality.TEXT)}[0]" in text
    ]
    ahead = [text for text in log.splitlines() if "The clock of station cam-fast" in text]
    assert (len(behind), len(ahead)) == (1, 1), log


async def test_a_desk_behind_among_others_is_named(settings: Settings, tmp_path: Path) -> None:
    async with faulty_line(settings, tmp_path, metrics=True) as line:
        for number in range(6):
            line.send(f"LT-{number}")
            [slow] = observe(f"LT-{number}", (Modality.VISUAL,), now_ms() - round(HOURS * 1000))
            named = replace(slow, source="cam-9", observation_id=f"slow-{number}")
            line.sender.observation(named, partition=0)
            await asyncio.sleep(0.3)
        await line.workers.until(
            lambda: "The clock of station cam-9" in line.worker.log, "the station is named", 15
        )
        wrong = line.metric("regrade_wrong_clocks")
        line.send("LAST", RIGHT)
        await line.workers.until(
            lambda: bool(line.decisions.of_unit("LAST")), "a decision", line.settings.window + 6
        )
        assert wrong['{kind="station"}'] == 1
        assert line.worker.log.count("The clock of station cam-9") == 1
        assert all(b"slow-" in record.value for record in line.late.records)
