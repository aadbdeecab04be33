"""The semantics of the join as tables: each step of a case, and everything that comes out of it.

A line is `step -> output | output` (more outputs may follow in a line that starts with `|`);
a step without an arrow gives nothing. Steps:

    visual a @0        observation a of unit u, at 0 ms of event time (`x: visual a @0`: of unit x)
    W 60               the watermark is advanced to 60 ms by hand
    restart            crash; another worker reads the whole decision log (`restart 1`: only its
                       first decision had been published; `twice`, `reversed`: a log in that shape)
    replay             what was not finished by then is delivered again (`replay reversed`)
    +5s, end [m ...], lag [m ...], outage, answer, unread, read     for cases with sources
    state              how many passages are open, duplicates, inseparable observations

Unless a case says otherwise the window is 60 ms, the grace 30 ms, and visual and text are expected.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from agents.join import JoinConfig
from agents.join.driver import JoinTestDriver
from schemas.modality import Modality


@dataclass(frozen=True)
class Case:
    name: str
    script: str
    window: int = 60
    grace: int = 30
    expected: str | Callable[[str], str] = "visual text"
    provisional_after: int | None = None
    sources: bool = False
    """Whether the watermark follows the sources (2 ms behind) and not the hand."""
    outage_hold: float = 0.0

    def driver(self) -> JoinTestDriver:
        def expected(unit_id: str) -> tuple[Modality, ...]:
            names = self.expected if isinstance(self.expected, str) else self.expected(unit_id)
            return tuple(map(Modality, names.split()))

        return JoinTestDriver(
            JoinConfig(self.window, self.grace, expected, self.provisional_after),
            max_out_of_orderness=2 if self.sources else None,
            idle_timeout=5.0,
            outage_hold=self.outage_hold,
        )


def run(driver: JoinTestDriver, step: str) -> list[str]:
    """Do one step of a script."""
    if observation := re.fullmatch(r"(?:(\S+): )?(\w+) (\S+) @(\d+)", step):
        unit_id, modality, observation_id, captured_at = observation.groups()
        return driver.pipe(unit_id or "u", modality, int(captured_at), observation_id)
    verb, *words = step.split()
    match verb:
        case "W":
            return driver.watermark(int(words[0]))
        case "restart":
            log = driver.decisions
            match words:
                case ["twice"]:
                    log = log + log
                case ["reversed"]:
                    log = log[::-1]
                case [count]:
                    log = log[: int(count)]
            driver.restart(log)
        case "replay":
            return driver.replay(driver.undelivered[:: -1 if words else 1])
        case "end" | "lag":
            return driver.at_end(*words, at_end=verb == "end")
        case "outage" | "answer":
            driver.answering = verb == "answer"
            return driver.elapse(0)
        case "unread" | "read":
            driver.unread = verb == "unread"
            return driver.elapse(0)
        case "state":
            join = driver.join
            return [
                f"open {join.open_passages}, duplicates {join.duplicates}, "
                f"inseparable {join.inseparable}"
            ]
        case _:
            return driver.elapse(float(verb.removeprefix("+").removesuffix("s")))
    return []


def check(case: Case) -> None:
    driver = case.driver()
    told, happened = [], []
    script = re.sub(r"\n\s*\|", " |", case.script)
    for line in filter(None, map(str.strip, script.splitlines())):
        step, _, outputs = (part.strip() for part in line.partition("->"))
        told.append((step, [o.strip() for o in outputs.split("|") if o.strip()]))
        happened.append((step, run(driver, step)))
    assert happened == told


PASSAGES = [
    Case(
        "complete: decided with the last expected modality, finished with the grace",
        """
        visual a @0
        text b @10   -> u@0#1 final complete [a b]
        W 60
        W 89
        W 90         -> finished [a b]
        """,
    ),
    Case(
        "arrival order does not matter",
        """
        text b @10
        visual a @0  -> u@0#1 final complete [a b]
        W 90         -> finished [b a]
        """,
    ),
    Case(
        "window: decided when the watermark reaches the deadline, not 1 ms before",
        """
        visual a @0
        W 59
        W 60         -> u@0#1 final window [a] without text
        W 61
        W 89
        W 90         -> finished [a]
        """,
    ),
    Case(
        "the watermark jumps over deadline and grace: decided first, finished after",
        """
        visual a @0
        W 1000       -> u@0#1 final window [a] without text | finished [a]
        """,
    ),
    Case(
        "early: an observation far ahead of the watermark waits for it",
        """
        W 10
        visual a @1000000
        W 1000059
        W 1000060    -> u@1000000#1 final window [a] without text
        """,
    ),
    Case(
        "exactly a window apart is one passage",
        """
        visual a @0
        text b @60   -> u@0#1 final complete [a b]
        state        -> open 1, duplicates 0, inseparable 0
        """,
    ),
    Case(
        "1 ms more than a window apart is two passages",
        """
        visual a @0
        text b @61
        state        -> open 2, duplicates 0, inseparable 0
        W 60         -> u@0#1 final window [a] without text
        W 121        -> finished [a] | u@61#1 final window [b] without visual
        W 151        -> finished [b]
        """,
    ),
    Case(
        "two passages of one unit, one after the other",
        """
        visual a @0
        text b @10      -> u@0#1 final complete [a b]
        W 100           -> finished [a b]
        visual c @500
        text d @510     -> u@500#1 final complete [c d]
        W 590           -> finished [c d]
        """,
    ),
    Case(
        "two passages of one unit, open at once, arrivals interleaved",
        """
        visual c @100
        visual a @0
        text d @110     -> u@100#1 final complete [c d]
        text b @10      -> u@0#1 final complete [a b]
        W 1000          -> finished [a b] | finished [c d]
        """,
    ),
    Case(
        "units do not meet",
        """
        x: visual a @0
        y: text b @10
        y: visual c @0  -> y@0#1 final complete [c b]
        W 60            -> x@0#1 final window [a] without text
        W 90            -> finished [a] | finished [b c]
        """,
    ),
    Case(
        "the same observation_id of two units is two observations",
        """
        x: visual a @0
        y: visual a @0
        x: text b @0    -> x@0#1 final complete [b a]
        y: text b @0    -> y@0#1 final complete [b a]
        """,
    ),
    Case(
        "timers run in the order of their times, of equal times in that of the passages",
        """
        z: visual c @5
        x: visual a @0
        y: visual b @0
        W 64   -> x@0#1 final window [a] without text | y@0#1 final window [b] without text
        W 95   -> z@5#1 final window [c] without text | finished [a] | finished [b] | finished [c]
        """,
    ),
    Case(
        "one passage's retirement comes before another one's deadline when it is earlier",
        """
        x: visual a @0
        y: visual b @40
        W 1000       -> x@0#1 final window [a] without text | finished [a]
                      | y@40#1 final window [b] without text | finished [b]
        """,
    ),
    Case(
        "the watermark never goes back",
        """
        W 100
        W 50
        visual a @10    -> late a
        """,
    ),
]

EVIDENCE = [
    Case(
        "several observations of one modality are all listed, by event time",
        """
        visual b @20
        visual a @10
        text c @30      -> u@10#1 final complete [a b c]
        """,
    ),
    Case(
        "of equal event time they are listed by modality, then id",
        """
        visual b @10
        visual a @10
        text c @10      -> u@10#1 final complete [c a b]
        """,
    ),
    Case(
        "duplicate: the same observation_id counts once and is finished at once",
        """
        visual a @0
        visual a @0     -> finished [a]
        text b @10      -> u@0#1 final complete [a b]
        visual a @0     -> finished [a]
        W 90            -> finished [a b]
        state           -> open 0, duplicates 2, inseparable 0
        """,
    ),
    Case(
        "duplicate with another event time: the first one stands",
        """
        visual a @0
        visual a @50    -> finished [a]
        visual a @5000  -> finished [a]
        text b @60      -> u@0#1 final complete [a b]
        """,
    ),
    Case(
        "duplicate after retirement opens nothing",
        """
        visual a @0
        W 90            -> u@0#1 final window [a] without text | finished [a]
        visual a @0     -> finished [a]
        state           -> open 0, duplicates 1, inseparable 0
        """,
    ),
    Case(
        "duplicate of a re-anchored passage, retired, that would not be late by itself",
        """
        text b @50
        visual a @0     -> u@0#1 final complete [a b]
        W 90            -> finished [b a]
        text b @50      -> finished [b]
        state           -> open 0, duplicates 1, inseparable 0
        """,
    ),
    Case(
        "duplicate: remembered for two windows and the grace, then late",
        """
        visual a @0
        W 149           -> u@0#1 final window [a] without text | finished [a]
        visual a @0     -> finished [a]
        W 150
        visual a @0     -> late a
        """,
    ),
    Case(
        "duplicate of a retired passage does not slip into the next one that would span it",
        """
        visual a @10
        W 100           -> u@10#1 final window [a] without text | finished [a]
        text b @50
        visual a @10    -> finished [a]
        W 110           -> u@50#1 final window [b] without visual
        """,
    ),
    Case(
        "the same observation_id in two modalities is two observations",
        """
        visual a @0
        text a @10      -> u@0#1 final complete [a a]
        state           -> open 1, duplicates 0, inseparable 0
        """,
    ),
    Case(
        "an unexpected modality is evidence, but completes nothing",
        """
        thermal x @0
        visual a @10
        W 60            -> u@0#1 final window [x a] without text
        text b @20      -> u@0#2 amended complete [x a b]
        """,
    ),
    Case(
        "an unexpected modality alone",
        """
        thermal x @0
        W 60            -> u@0#1 final window [x] without visual text
        """,
    ),
    Case(
        "a product family expects fewer modalities",
        """
        phone-1: visual a @0    -> phone-1@0#1 final complete [a]
        laptop-1: visual a @0
        W 60                    -> laptop-1@0#1 final window [a] without text battery
        """,
        expected=lambda unit: "visual" if unit.startswith("phone") else "visual text battery",
    ),
    Case(
        "nothing is expected: the first observation completes",
        """
        visual a @0     -> u@0#1 final complete [a]
        text b @1       -> u@0#2 amended complete [a b]
        """,
        expected="",
    ),
    Case(
        "missing lists what is expected, in the order of the expectation",
        """
        text a @0
        W 60            -> u@0#1 final window [a] without visual spectral thermal
        """,
        expected="visual spectral text thermal",
    ),
]

REVISIONS = [
    Case(
        "amended: evidence within the grace gives the next revision",
        """
        visual a @0
        W 60            -> u@0#1 final window [a] without text thermal
        text b @20      -> u@0#2 amended window [a b] without thermal
        W 90            -> finished [a b]
        """,
        expected="visual text thermal",
    ),
    Case(
        "amended, and complete by it",
        """
        visual a @0
        W 60            -> u@0#1 final window [a] without text
        text b @20      -> u@0#2 amended complete [a b]
        W 90            -> finished [a b]
        """,
    ),
    Case(
        "a complete passage is amended by more, before its deadline and after",
        """
        visual a @0
        text b @10      -> u@0#1 final complete [a b]
        text c @20      -> u@0#2 amended complete [a b c]
        W 70
        visual d @30    -> u@0#3 amended complete [a b c d]
        W 90            -> finished [a b c d]
        """,
    ),
    Case(
        "1 ms before its retirement a passage is still amended",
        """
        visual a @0
        W 89            -> u@0#1 final window [a] without text
        text b @60      -> u@0#2 amended complete [a b]
        W 90            -> finished [a b]
        """,
    ),
    Case(
        "expired: at its retirement the passage is closed, what belongs to it is late",
        """
        visual a @0
        W 90            -> u@0#1 final window [a] without text | finished [a]
        text b @0       -> late b
        """,
    ),
    Case(
        "1 ms younger than what is late opens a passage of its own, decided at once",
        """
        visual a @0
        W 90            -> u@0#1 final window [a] without text | finished [a]
        text b @1       -> u@1#1 final window [b] without visual
        W 91            -> finished [b]
        """,
    ),
    Case(
        "late: nothing is open and the own passage would be retired, to the ms",
        """
        W 100
        visual a @10    -> late a
        visual a @9     -> late a
        visual a @11    -> u@11#1 final window [a] without text
        """,
    ),
    Case(
        "opened after its deadline, within the grace: decided at once, then amended",
        """
        W 70
        visual a @10    -> u@10#1 final window [a] without text
        text b @10      -> u@10#2 amended complete [b a]
        W 100           -> finished [a b]
        """,
    ),
    Case(
        "grace 0: decided and retired in one",
        """
        visual a @0
        W 59
        W 60            -> u@0#1 final window [a] without text | finished [a]
        text b @0       -> late b
        text c @1
        W 61            -> u@1#1 final window [c] without visual | finished [c]
        """,
        grace=0,
    ),
    Case(
        "provisional: once, after its time; final at the deadline",
        """
        visual a @0
        W 19
        W 20            -> u@0#1 provisional provisional [a] without text
        W 59
        W 60            -> u@0#2 final window [a] without text
        W 90            -> finished [a]
        """,
        provisional_after=20,
    ),
    Case(
        "provisional, then complete before the deadline",
        """
        visual a @0
        W 20            -> u@0#1 provisional provisional [a] without text
        text b @30      -> u@0#2 final complete [a b]
        W 90            -> finished [a b]
        """,
        provisional_after=20,
    ),
    Case(
        "provisional, then more evidence: it waits for the deadline",
        """
        visual a @0
        W 20            -> u@0#1 provisional provisional [a] without text thermal
        text b @30
        W 60            -> u@0#2 final window [a b] without thermal
        """,
        expected="visual text thermal",
        provisional_after=20,
    ),
    Case(
        "provisional, final, amended",
        """
        visual a @0
        W 20            -> u@0#1 provisional provisional [a] without text
        W 60            -> u@0#2 final window [a] without text
        text b @30      -> u@0#3 amended complete [a b]
        """,
        provisional_after=20,
    ),
    Case(
        "complete before the provisional time: no provisional decision",
        """
        visual a @0
        text b @10      -> u@0#1 final complete [a b]
        W 20
        W 60
        """,
        provisional_after=20,
    ),
    Case(
        "the watermark jumps from before the provisional time to the deadline: final only",
        """
        visual a @0
        W 60            -> u@0#1 final window [a] without text
        """,
        provisional_after=20,
    ),
    Case(
        "opened after its provisional time: provisional at once",
        """
        W 30
        visual a @10    -> u@10#1 provisional provisional [a] without text
        W 70            -> u@10#2 final window [a] without text
        """,
        provisional_after=20,
    ),
    Case(
        "provisional_after 0: as soon as the watermark reaches the first observation",
        """
        visual a @5
        W 4
        W 5             -> u@5#1 provisional provisional [a] without text
        """,
        provisional_after=0,
    ),
]

ANCHORS = [
    Case(
        "re-anchored: an earlier observation moves the deadline and the retirement",
        """
        text b @30
        visual a @10
        W 69
        W 70            -> u@10#1 final window [a b] without thermal
        W 99
        W 100           -> finished [b a]
        W 500
        state           -> open 0, duplicates 0, inseparable 0
        """,
        expected="visual text thermal",
    ),
    Case(
        "re-anchored by exactly a window; by 1 ms more it is another passage",
        """
        text b @60
        visual a @0     -> u@0#1 final complete [a b]
        x: text b @61
        x: visual a @0
        state           -> open 3, duplicates 0, inseparable 0
        """,
    ),
    Case(
        "re-anchored to a deadline that has passed: decided at once",
        """
        text b @30
        W 60
        visual a @0     -> u@0#1 final window [a b] without thermal
        W 90            -> finished [b a]
        """,
        expected="visual text thermal",
    ),
    Case(
        "re-anchored to 1 ms before its deadline: it waits",
        """
        text b @30
        W 60
        visual a @1
        W 61            -> u@1#1 final window [a b] without thermal
        """,
        expected="visual text thermal",
    ),
    Case(
        "re-anchored to a retirement that has passed: decided and retired at once",
        """
        text b @50
        W 95
        visual a @0     -> u@0#1 final window [a b] without thermal | finished [b a]
        thermal c @10   -> u@10#1 final window [c] without visual text
        """,
        expected="visual text thermal",
    ),
    Case(
        "re-anchored past its provisional time: provisional at once",
        """
        text b @30
        W 40
        visual a @10    -> u@10#1 provisional provisional [a b] without thermal
        """,
        expected="visual text thermal",
        provisional_after=30,
    ),
    Case(
        "re-anchored after its decision: amended, retired earlier",
        """
        text b @30
        visual a @40    -> u@30#1 final complete [b a]
        text c @5       -> u@5#2 amended complete [c b a]
        W 94
        W 95            -> finished [b a c]
        """,
    ),
    Case(
        "re-anchored and completed after the retirement of the new anchor",
        """
        text b @50
        W 95
        visual a @0     -> u@0#1 final complete [a b] | finished [b a]
        """,
    ),
    Case(
        "inseparable: within a window of a passage that it does not fit",
        """
        visual a @0
        text b @50      -> u@0#1 final complete [a b]
        visual c @110
        state           -> open 2, duplicates 0, inseparable 1
        """,
    ),
    Case(
        "separable: 1 ms more than a window from it",
        """
        visual a @0
        text b @50      -> u@0#1 final complete [a b]
        visual c @111
        state           -> open 2, duplicates 0, inseparable 0
        """,
    ),
    Case(
        "inseparable: of two passages that it fits, the one opened nearer; of equal ones the older",
        """
        visual a @0
        visual c @100
        text b @50      -> u@0#1 final complete [a b]
        x: visual a @0
        x: visual c @100
        x: text b @51   -> x@51#1 final complete [b c]
        state           -> open 4, duplicates 0, inseparable 2
        """,
    ),
    Case(
        "inseparable from a passage that is retired already",
        """
        visual a @0
        text b @50      -> u@0#1 final complete [a b]
        W 92            -> finished [a b]
        visual c @100
        state           -> open 1, duplicates 0, inseparable 1
        """,
    ),
    Case(
        "late is late, not inseparable",
        """
        visual a @0
        visual c @90
        W 90            -> u@0#1 final window [a] without text | finished [a]
        text b @0       -> late b
        state           -> open 1, duplicates 0, inseparable 0
        """,
    ),
]

RESTARTS = [
    Case(
        "an undecided passage is built again",
        """
        visual a @0
        restart
        replay
        text b @10      -> u@0#1 final complete [a b]
        """,
    ),
    Case(
        "replay of what is decided changes nothing",
        """
        visual a @0
        text b @10      -> u@0#1 final complete [a b]
        restart
        state           -> open 0, duplicates 0, inseparable 0
        replay
        state           -> open 1, duplicates 0, inseparable 0
        W 60
        W 90            -> finished [a b]
        state           -> open 0, duplicates 0, inseparable 0
        """,
    ),
    Case(
        "replay in any order changes nothing",
        """
        visual a @0
        W 60            -> u@0#1 final window [a] without text thermal
        text b @10      -> u@0#2 amended window [a b] without thermal
        restart
        replay reversed
        W 90            -> finished [b a]
        """,
        expected="visual text thermal",
    ),
    Case(
        "new evidence waits until all that is listed is back",
        """
        visual a @0
        text b @10      -> u@0#1 final complete [a b]
        restart
        thermal c @20
        visual a @0
        text b @10      -> u@0#2 amended complete [a b c]
        """,
    ),
    Case(
        "new evidence between the replayed",
        """
        visual a @0
        text b @10      -> u@0#1 final complete [a b]
        restart
        text b @10
        thermal c @20
        text d @30
        visual a @0     -> u@0#2 amended complete [a b c d]
        """,
    ),
    Case(
        "evidence that arrived before the crash but was not yet published is news again",
        """
        visual a @0
        W 60            -> u@0#1 final window [a] without text
        text b @10      -> u@0#2 amended complete [a b]
        restart 1
        replay reversed -> u@0#2 amended complete [a b]
        """,
    ),
    Case(
        "nothing was published: the first decision is made again",
        """
        visual a @0
        text b @10      -> u@0#1 final complete [a b]
        restart 0
        replay reversed -> u@0#1 final complete [a b]
        """,
    ),
    Case(
        "a provisional decision becomes final at the deadline",
        """
        visual a @0
        W 20            -> u@0#1 provisional provisional [a] without text
        restart
        replay
        W 20
        W 60            -> u@0#2 final window [a] without text
        """,
        provisional_after=20,
    ),
    Case(
        "a provisional decision is completed once its evidence is back",
        """
        visual a @0
        W 20            -> u@0#1 provisional provisional [a] without text
        restart
        text b @10
        replay          -> u@0#2 final complete [a b]
        """,
        provisional_after=20,
    ),
    Case(
        "a provisional decision whose deadline passes first is final when its evidence is back",
        """
        visual a @0
        W 20            -> u@0#1 provisional provisional [a] without text
        restart
        W 70
        visual a @0     -> u@0#2 final window [a] without text
        W 90            -> finished [a]
        """,
        provisional_after=20,
    ),
    Case(
        "listed evidence never comes again (it was acknowledged): what is new is late at the end",
        """
        visual a @0
        text b @10      -> u@0#1 final complete [a b]
        restart
        thermal c @20
        W 89
        W 90            -> late c
        thermal c @20   -> finished [c]
        """,
    ),
    Case(
        "part of the listed evidence comes again: finished, what is new is late",
        """
        visual a @0
        text b @10      -> u@0#1 final complete [a b]
        restart
        visual a @0
        thermal c @20
        W 90            -> late c | finished [a]
        state           -> open 0, duplicates 0, inseparable 0
        """,
    ),
    Case(
        "nothing of it comes again: it is retired without a word",
        """
        visual a @0
        text b @10      -> u@0#1 final complete [a b]
        restart
        W 90
        state           -> open 0, duplicates 0, inseparable 0
        """,
    ),
    Case(
        "listed evidence that comes after the retirement is finished at once",
        """
        visual a @0
        text b @10      -> u@0#1 final complete [a b]
        restart
        W 90
        text b @10      -> finished [b]
        visual a @0     -> finished [a]
        """,
    ),
    Case(
        "listed evidence that comes twice is a duplicate the second time",
        """
        visual a @0
        text b @10      -> u@0#1 final complete [a b]
        restart
        visual a @0
        visual a @0     -> finished [a]
        text b @10
        W 90            -> finished [a b]
        """,
    ),
    Case(
        "decisions that are twice in the log count once",
        """
        visual a @0
        W 60            -> u@0#1 final window [a] without text
        text b @10      -> u@0#2 amended complete [a b]
        restart twice
        replay
        thermal c @20   -> u@0#3 amended complete [a b c]
        """,
    ),
    Case(
        "a lower revision after a higher one in the log is ignored",
        """
        visual a @0
        W 60            -> u@0#1 final window [a] without text
        text b @10      -> u@0#2 amended complete [a b]
        restart reversed
        thermal c @20
        visual a @0
        text b @10      -> u@0#3 amended complete [a b c]
        W 90            -> finished [c a b]
        """,
    ),
    Case(
        "older evidence re-anchors a restored passage",
        """
        visual a @50
        text b @60      -> u@50#1 final complete [a b]
        restart
        text c @10
        replay          -> u@10#2 amended complete [c a b]
        W 100           -> finished [c a b]
        """,
    ),
    Case(
        "two crashes",
        """
        visual a @0
        W 60            -> u@0#1 final window [a] without text thermal
        restart
        text b @10
        visual a @0     -> u@0#2 amended window [a b] without thermal
        restart
        thermal c @5
        text b @10
        visual a @0     -> u@0#3 amended complete [a c b]
        """,
        expected="visual text thermal",
    ),
    Case(
        "the next stay of a restored unit is its own passage",
        """
        visual a @0
        text b @10      -> u@0#1 final complete [a b]
        restart
        visual c @71
        text d @75      -> u@71#1 final complete [c d]
        visual a @0
        text b @10
        W 1000          -> finished [a b] | finished [c d]
        """,
    ),
    Case(
        "both passages of a unit are restored",
        """
        visual a @0
        text b @10      -> u@0#1 final complete [a b]
        visual c @100
        text d @110     -> u@100#1 final complete [c d]
        restart
        replay reversed
        thermal e @20   -> u@0#2 amended complete [a b e]
        thermal f @120  -> u@100#2 amended complete [c d f]
        """,
    ),
]

SOURCES = [
    Case(
        "the slowest source holds the watermark",
        """
        end spectral thermal acoustic battery
        +5s
        visual a @0
        x: visual y @1000
        x: text z @61
        x: text w @62    -> u@0#1 final window [a] without text
        """,
        sources=True,
    ),
    Case(
        "a source that has never spoken holds it altogether",
        """
        end spectral thermal acoustic battery
        +500s
        visual a @0
        x: visual b @1000
        """,
        sources=True,
    ),
    Case(
        "an idle source does not hold it",
        """
        end spectral text thermal acoustic battery
        visual a @0
        x: visual b @1000
        +4.999s
        +0.001s -> u@0#1 final window [a] without text | finished [a]
        """,
        sources=True,
    ),
    Case(
        "lag is not idleness: a silent source that is not read to its end holds it",
        """
        end spectral thermal acoustic battery
        visual a @0
        x: visual b @1000
        +500s
        end text -> u@0#1 final window [a] without text | finished [a]
        """,
        sources=True,
    ),
    Case(
        "an idle source that falls behind holds it again",
        """
        end spectral text thermal acoustic battery
        visual a @0
        +5s
        lag text
        x: visual b @1000
        end text -> u@0#1 final window [a] without text | finished [a]
        """,
        sources=True,
    ),
    Case(
        "an idle source wakes: it holds the watermark where it is, and its backlog joins",
        """
        end spectral text thermal acoustic battery
        visual a @100
        x: visual y @140
        +5s
        text b @110       -> u@100#1 final complete [a b]
        x: visual z @300
        z: text v @162
        z: text w @191
        z: text x @192    -> finished [a b]
        """,
        sources=True,
    ),
    Case(
        "an idle source wakes too late",
        """
        end spectral text thermal acoustic battery
        visual a @0
        +5s
        x: visual y @92  -> u@0#1 final window [a] without text | finished [a]
        text b @0        -> late b
        """,
        sources=True,
    ),
    Case(
        "all idle: the watermark follows the wall clock",
        """
        visual a @9000
        end
        +5s
        +4.061s
        +0.001s          -> u@9000#1 final window [a] without text
        +0.029s
        +0.001s          -> finished [a]
        """,
        sources=True,
    ),
    Case(
        "all idle but one that lags: the wall clock does not count",
        """
        visual a @0
        end spectral text thermal acoustic battery
        +5s
        +500s
        end visual       -> u@0#1 final window [a] without text | finished [a]
        """,
        sources=True,
    ),
    Case(
        "outage: the wall clock does not count while the broker does not answer",
        """
        visual a @5000
        end
        +5s
        outage
        +500s
        """,
        sources=True,
    ),
    Case(
        "after an outage every source is awaited again for the idle timeout",
        """
        visual a @5000
        end
        +5s
        outage
        +500s
        answer
        +4.999s
        +0.001s          -> u@5000#1 final window [a] without text | finished [a]
        """,
        sources=True,
    ),
    Case(
        "after an outage nothing is idle for as long as it is held",
        """
        visual a @5000
        end
        +5s
        outage
        +500s
        answer
        +5s
        +14.999s
        +0.001s          -> u@5000#1 final window [a] without text | finished [a]
        """,
        sources=True,
        outage_hold=20.0,
    ),
    Case(
        "after an outage one station is back early: the others are waited for",
        """
        visual a @5000
        end
        +5s
        outage
        +500s
        answer
        x: visual y @9000
        +7s
        x: visual z @9001
        text b @5010     -> u@5000#1 final complete [a b]
        +3s
        +2s              -> finished [a b] | x@9000#1 final window [y z] without text
                          | finished [y z]
        """,
        sources=True,
        outage_hold=10.0,
    ),
    Case(
        "forwarded records wait to be read: nothing is idle",
        """
        visual a @0
        end
        unread
        +500s
        read             -> u@0#1 final window [a] without text | finished [a]
        """,
        sources=True,
    ),
    Case(
        "after a restart the sources are awaited anew",
        """
        visual a @0
        end
        +5s              -> u@0#1 final window [a] without text | finished [a]
        x: visual b @5000
        restart
        replay
        +500s
        end              -> x@5000#1 final window [b] without text | finished [b]
        """,
        sources=True,
    ),
]

CASES = PASSAGES + EVIDENCE + REVISIONS + ANCHORS + RESTARTS + SOURCES


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Case) -> None:
    check(case)
