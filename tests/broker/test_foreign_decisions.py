"""What others write to the decisions topic stops no worker, not even when it takes over."""

import json
from pathlib import Path
from typing import Any

from support.decisions import a_decision, evidence_of
from support.faults import faulty_line
from support.sender import observe

from schemas.feature_record import Origin
from schemas.modality import Modality
from stream.settings import Settings

SOME = (Modality.VISUAL, Modality.TEXT)
REST = (Modality.SPECTRAL, Modality.THERMAL, Modality.ACOUSTIC, Modality.BATTERY)


def foreign_values() -> dict[str, bytes | None]:
    """By what is odd about them; all but the last two are no decisions of ours."""
    theirs = some_decision("LT-1") | {"passage_id": "WO-4711", "decision_id": "WO-4711-1"}
    [evidence] = theirs["evidence"]
    newer = some_decision("LT-9")
    return {
        "an MES's own": _json(theirs),
        "without evidence": _json(theirs | {"evidence": []}),
        "of the year 9999": _json(
            theirs | {"evidence": [evidence | {"captured_at": "9999-12-31T23:59:59Z"}]}
        ),
        "with a revision beyond all bounds": _json(theirs | {"revision": 10**30}),
        "text": b"no decision",
        "not UTF-8": b"\xff\xfe\x00",
        "a list": b"[1, 2]",
        "deep": b"[" * 100_000,
        "empty": b"",
        "null": None,
        "an unknown symbol": _json(newer | {"material": newer["material"] | {"type": "PHA"}}),
        "an unknown status": _json(newer | {"status": "reopened", "routing": None}),
    }


def some_decision(unit: str) -> dict[str, Any]:
    """The fields of a decision on a note."""
    [observation] = observe(unit, (Modality.TEXT,))
    evidence = evidence_of(observation, Origin("units.text", 0, 0))
    decision = a_decision(unit, [evidence], opened_at=observation.captured_at)
    return decision.model_dump(mode="json")


def _json(fields: dict[str, object]) -> bytes:
    return json.dumps(fields).encode()


async def test_strangers_on_the_decisions_topic_are_passed_over(
    settings: Settings, tmp_path: Path
) -> None:
    patient = {"window": 60.0, "grace": 10.0, "max_clock_skew": 60.0}
    async with faulty_line(settings, tmp_path, start=False, **patient) as line:
        for value in foreign_values().values():
            line.sender.record(line.topics.decisions, value, b"LT-1", 0)
        for number in range(300):
            line.sender.record(line.topics.decisions, b"%d" % number, b"LT-1", 0)
        await line.sender.flush()
        written = len(foreign_values()) + 300
        first = line.workers.start()
        await line.workers.ready()
        line.send("LT-1")
        line.send("HALF", SOME)

        def decided() -> int:
            return len(line.decisions.records) - written

        await line.workers.until(lambda: decided() == 1, "a decision", 20)
        assert 4 < first.log.count("passed over") < 10
        first.kill()
        # Its successor reads back what it decided from amid them.
        for value in foreign_values().values():
            line.sender.record(line.topics.decisions, value, b"LT-1", 0)
        written += len(foreign_values())
        await line.sender.flush()
        line.workers.start()
        line.send("HALF", REST)
        line.send("LT-2")
        await line.workers.until(lambda: decided() == 3, "two more", 40)
        await line.workers.quiet(1)
        assert decided() == 3
        ends = [json.loads(record.value) for record in line.decisions.records[-2:]]
        assert {(end["unit_id"], len(end["evidence"])) for end in ends} == {
            ("HALF", 6),
            ("LT-2", 6),
        }
        assert "Traceback" not in line.worker.log
