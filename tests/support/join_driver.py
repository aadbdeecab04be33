"""A test harness for the join, in the spirit of Kafka Streams' TopologyTestDriver.

One home partition without a broker: pipe observations in, move time by hand, read what comes out.

    driver = JoinTestDriver(JoinConfig(window=60_000, grace=30_000, expected=lambda unit: WANTED))
    assert driver.pipe("LT-1", "visual", 0, "a") == []
    assert driver.pipe("LT-1", "text", 9_000, "b") == ["LT-1@0#1 final complete [a b]"]
    assert driver.watermark(90_000) == ["finished [a b]"]

Every call gives its outputs as lines (`describe`); `outputs` keeps all of them as objects.
"""

from collections.abc import Iterable
from typing import NamedTuple

from agents.join import (
    BEGINNING,
    Arrival,
    Excess,
    Finished,
    Join,
    JoinConfig,
    Output,
    Revision,
    TooLate,
)
from schemas.decision import Decision
from schemas.feature_record import Origin
from schemas.modality import Modality
from support.decisions import decision_of


class Token(NamedTuple):
    """Names one piped record; piping an observation again makes another record."""

    number: int
    observation_id: str


class JoinTestDriver:
    """A join, driven by hand.

    Attributes:
        outputs: everything that came out, restarts included, in order.
        decisions: the decision log: what the revisions among `outputs` publish.
        unfinished: the records that were piped and are not finished.
        undelivered: those that a restart left unfinished and that are to be replayed.
    """

    def __init__(self, config: JoinConfig) -> None:
        self.config = config
        self.join = Join(config)
        self.outputs: list[Output] = []
        self.decisions: list[Decision] = []
        self.undelivered: list[Arrival] = []
        self.unfinished: dict[Token, Arrival] = {}
        self._records = 0

    # -- input ----------------------------------------------------------------------------

    def pipe(
        self, unit_id: str, modality: str, captured_at: int, observation_id: str = ""
    ) -> list[str]:
        """An observation arrives (named after its modality and time unless told otherwise)."""
        name = observation_id or f"{modality}-{captured_at}"
        return self.replay(
            [
                Arrival(
                    unit_id=unit_id,
                    modality=Modality(modality),
                    observation_id=name,
                    captured_at=captured_at,
                    source=f"{modality}-station",
                    origin=Origin(f"units.{modality}", 0, self._records),
                    token=Token(self._records, name),
                )
            ]
        )

    def replay(self, arrivals: Iterable[Arrival]) -> list[str]:
        """These records are delivered, in this order: after a restart `undelivered`, in any."""
        lines: list[str] = []
        for arrival in arrivals:
            self._records += 1
            self.unfinished[arrival.token] = arrival
            self.undelivered = [a for a in self.undelivered if a is not arrival]
            lines += self._take(self.join.observe(arrival))
        return lines

    # -- time -----------------------------------------------------------------------------

    def watermark(self, to: int) -> list[str]:
        """Event time has come to `to`."""
        return self._take(self.join.advance(to))

    def finish(self) -> list[str]:
        """Event time runs out: everything is decided, retired and forgotten."""
        return self.watermark(2**62)

    # -- crash ----------------------------------------------------------------------------

    def restart(
        self, decisions: Iterable[Decision] | None = None, reached: int = BEGINNING
    ) -> None:
        """The worker is killed; another one reads the decision log and then knows only that.

        Args:
            decisions: what had been published by then; everything unless told otherwise.
            reached: how far event time had come, if anybody knows, ms.
        """
        if decisions is not None:
            self.decisions = list(decisions)
        self.undelivered = list(self.unfinished.values())
        self.join = Join(self.config)
        self.join.reached = reached
        for decision in self.decisions:
            self.join.restore(decision)

    # -- inside ---------------------------------------------------------------------------

    def _take(self, outputs: list[Output]) -> list[str]:
        for output in outputs:
            if isinstance(output, Revision):
                self.decisions.append(decision_of(output))
            for token in finished_by(output):
                assert token in self.unfinished, f"{token} has been finished before"
                del self.unfinished[token]
        self.outputs += outputs
        return [describe(output) for output in outputs]


def finished_by(output: Output) -> tuple[Token, ...]:
    """The records that an output finishes, once it has had its effect."""
    if isinstance(output, TooLate | Excess):
        return (output.arrival.token,)
    return output.tokens if isinstance(output, Finished) else ()


def describe(output: Output) -> str:
    """An output as a line, such as `LT-1@0#2 amended window [a b] without thermal`."""
    if isinstance(output, TooLate):
        return f"late {output.arrival.observation_id}"
    if isinstance(output, Excess):
        return f"excess {output.arrival.observation_id}"
    if isinstance(output, Finished):
        return f"finished [{' '.join(token.observation_id for token in output.tokens)}]"
    line = (
        f"{output.unit_id}@{output.opened_at}#{output.revision} {output.status} "
        f"{output.closed_by} [{' '.join(a.observation_id for a in output.evidence)}]"
    )
    return line + (f" without {' '.join(output.missing)}" if output.missing else "")
