"""The semantics of the join as tables: `cases/*.txt`, each step and everything that comes of it.

A case starts with `# its name`. A line is `step -> output | output` (more outputs may follow in a
line that starts with `|`); a step without an arrow gives nothing. Steps:

    visual a @0        observation a of unit u, at 0 ms of event time (`x: visual a @0`: of unit x)
    W 60               the watermark is advanced to 60 ms
    restart            crash; another worker reads the whole decision log (`restart 1`: only its
                       first decision had been published; `twice`, `reversed`: a log in that shape)
    reached 60         it is told that event time had come to 60 ms
    replay             what was not finished by then is delivered again (`replay reversed`)
    state              how many passages are open, duplicates, inseparable observations

The window is 60 ms and the grace 30 ms, visual and text are expected, unless the case says
otherwise first: `given grace 0`, `given expected of x visual`, `given max_evidence 3` and so on.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.join_driver import JoinTestDriver

from agents.join import JoinConfig
from schemas.modality import Modality

Lines = list[str]


def read_cases() -> Iterator[Any]:
    """A parameter a case: its lines."""
    for path in sorted(Path(__file__).with_name("cases").glob("*.txt")):
        _, *cases = re.split(r"^# ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        for case in cases:
            name, _, script = case.partition("\n")
            lines = re.sub(r"\n\s*\|", " |", script).splitlines()
            yield pytest.param([line for line in lines if line], id=f"{path.stem}: {name}")


CASES = list(read_cases())


def driver_given(settings: Lines) -> JoinTestDriver:
    values: dict[str, int] = {}
    expected = {"": "visual text"}
    for setting in settings:
        match setting.split():
            case ["expected", "of", unit_id, *modalities]:
                expected[unit_id] = " ".join(modalities)
            case ["expected", *modalities]:
                expected[""] = " ".join(modalities)
            case [name, *number]:
                values[name] = int(number[0]) if number else 1

    def expected_of(unit_id: str) -> tuple[Modality, ...]:
        return tuple(map(Modality, expected.get(unit_id, expected[""]).split()))

    driver = JoinTestDriver(
        JoinConfig(
            60,
            values.pop("grace", 30),
            expected_of,
            values.pop("provisional_after", None),
            values.pop("max_evidence", 64),
        )
    )
    assert not values, f"unknown settings: {values}"
    return driver


def run(driver: JoinTestDriver, step: str) -> Lines:
    """Do one step of a case; says what came out."""
    if observation := re.fullmatch(r"(?:(\S+): )?(\w+) (\S+) @(\d+)", step):
        unit_id, modality, name, captured_at = observation.groups()
        return driver.pipe(unit_id or "u", modality, int(captured_at), name)
    match step.split():
        case ["W", watermark]:
            return driver.watermark(int(watermark))
        case ["restart", *shape]:
            log = driver.decisions
            match shape:
                case ["twice"]:
                    log = log + log
                case ["reversed"]:
                    log = log[::-1]
                case [count]:
                    log = log[: int(count)]
            driver.restart(log)
            return []
        case ["replay", *backwards]:
            return driver.replay(driver.undelivered[:: -1 if backwards else 1])
        case ["reached", at]:
            driver.join.reached = int(at)
            return []
        case ["state"]:
            j = driver.join
            counts = (j.open_passages, j.duplicates, j.inseparable)
            return ["open {}, duplicates {}, inseparable {}".format(*counts)]
    raise ValueError(f"no such step: {step}")


@pytest.mark.parametrize("lines", CASES)
def test_case(lines: Lines) -> None:
    settings = [line.removeprefix("given ") for line in lines if line.startswith("given ")]
    driver = driver_given(settings)
    told, happened = [], []
    for line in lines[len(settings) :]:
        step, _, outputs = (part.strip() for part in line.partition("->"))
        told.append((step, [o.strip() for o in outputs.split("|") if o.strip()]))
        happened.append((step, run(driver, step)))
    assert happened == told


def test_there_are_the_cases_that_the_contract_asks_for() -> None:
    assert len(CASES) >= 50
