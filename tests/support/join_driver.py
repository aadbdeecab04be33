"""A test harness for the join, in the spirit of Kafka Streams' TopologyTestDriver.

One home partition without a broker: pipe observations in, move time by hand, read what comes out.

    driver = JoinTestDriver(JoinConfig(window=60_000, grace=30_000, expected=lambda unit: WANTED))
    assert driver.pipe("LT-1", "visual", 0, "a") == []
    assert driver.pipe("LT-1", "text", 9_000, "b") == ["LT-1@0#1 final complete [a b]"]
    assert driver.watermark(90_000) == ["finished [a b]"]

Every call gives its outputs as lines (`describe`); `outputs` keeps all of them as objects.
"""

from collections.abc import Hashable, Iterable
from typing import NamedTuple

from agents.decide.compose import compose_decision
from agents.decide.policy import Verdict
from agents.distiller.prediction import Prediction
from agents.join.arrival import Arrival, Finished, JoinConfig, Origin, Output, Revision, TooLate
from agents.join.join import Join
from agents.join.watermark import Watermark
from schemas.decision import (
    Decision,
    Disassembly,
    DistillerInfo,
    Grade,
    Material,
    Option,
    Routing,
    Tier,
)
from schemas.modality import MODALITIES, Modality


class Token(NamedTuple):
    """Names one piped record; piping an observation again makes another record."""

    number: int
    observation_id: str


class JoinTestDriver:
    """A join and its watermark, driven by hand.

    Args:
        config: the settings under test.
        max_out_of_orderness: how far the watermark stays behind the sources, ms. None: it follows
            no source and moves only when `watermark` is called.
        idle_timeout: how long a source at its end stays awaited, s of processing time.
        outage_hold: how long nothing counts as idle after an outage, s.
        wall_ms: the wall clock at the start, ms since 1970.

    Attributes:
        answering: set to False for an outage of the broker.
        unread: set to True while forwarded records wait to be read.
        outputs: everything that came out, restarts included, in order.
        decisions: the decision log: what the revisions among `outputs` publish.
        unfinished: the records that were piped and are not finished.
        undelivered: those that a restart left unfinished and that are to be replayed.
    """

    def __init__(
        self,
        config: JoinConfig,
        *,
        max_out_of_orderness: int | None = None,
        idle_timeout: float = 5.0,
        outage_hold: float = 0.0,
        wall_ms: int = 0,
    ) -> None:
        self.config = config
        self.answering = True
        self.unread = False
        self.outputs: list[Output] = []
        self.decisions: list[Decision] = []
        self.undelivered: list[Arrival] = []
        self.unfinished: dict[Token, Arrival] = {}
        self._max_out_of_orderness = max_out_of_orderness
        self._idle_timeout = idle_timeout
        self._outage_hold = outage_hold
        self._now = 0.0
        self._wall_ms = wall_ms
        self._records = 0
        self._start()

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
            self._watermark.observe(arrival.modality, arrival.captured_at, self._now)
            lines += self._take(self.join.observe(arrival)) + self._tick()
        return lines

    # -- time -----------------------------------------------------------------------------

    def watermark(self, to: int) -> list[str]:
        """Event time has come to `to`, whatever the sources say."""
        return self._take(self.join.advance(to))

    def elapse(self, seconds: float) -> list[str]:
        """Processing time and the wall clock go on."""
        self._now += seconds
        self._wall_ms += round(seconds * 1000)
        return self._tick()

    def at_end(self, *modalities: str, at_end: bool = True) -> list[str]:
        """These sources (all, if none is named) are read to their end, or no longer."""
        for modality in modalities or MODALITIES:
            self._watermark.progress(Modality(modality), at_end=at_end)
        return self._tick()

    def finish(self) -> list[str]:
        """Event time runs out: everything is decided, retired and forgotten."""
        return self.watermark(2**62)

    # -- crash ----------------------------------------------------------------------------

    def restart(self, decisions: Iterable[Decision] | None = None) -> None:
        """The worker is killed; another one reads the decision log and then knows only that.

        Args:
            decisions: what had been published by then; everything unless told otherwise.
        """
        if decisions is not None:
            self.decisions = list(decisions)
        self.undelivered = list(self.unfinished.values())
        self._start()
        for decision in self.decisions:
            self.join.restore(decision)

    # -- inside ---------------------------------------------------------------------------

    def _start(self) -> None:
        self.join = Join(self.config)
        sources: tuple[Hashable, ...] = MODALITIES
        if self._max_out_of_orderness is None:
            sources = (*MODALITIES, "by hand")  # never speaks nor ends, and so holds the watermark
        self._watermark = Watermark(
            sources,
            max_out_of_orderness=self._max_out_of_orderness or 0,
            idle_timeout=self._idle_timeout,
            now=self._now,
            outage_hold=self._outage_hold,
        )

    def _tick(self) -> list[str]:
        watermark = self._watermark.advance(
            self._now, self._wall_ms, answering=self.answering, unread=self.unread
        )
        return self._take(self.join.advance(watermark))

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
    if isinstance(output, TooLate):
        return (output.arrival.token,)
    return output.tokens if isinstance(output, Finished) else ()


def describe(output: Output) -> str:
    """An output as a line, such as `LT-1@0#2 amended window [a b] without thermal`."""
    if isinstance(output, TooLate):
        return f"late {output.arrival.observation_id}"
    if isinstance(output, Finished):
        return f"finished [{' '.join(token.observation_id for token in output.tokens)}]"
    line = (
        f"{output.unit_id}@{output.opened_at}#{output.revision} {output.status} "
        f"{output.closed_by} [{' '.join(a.observation_id for a in output.evidence)}]"
    )
    return line + (f" without {' '.join(output.missing)}" if output.missing else "")


def decision_of(revision: Revision) -> Decision:
    """The decision that publishes a revision: what the join says is real, the rest a dummy."""
    return compose_decision(
        revision,
        Prediction(
            quality={Grade.A: 1.0},
            material={Material.ABS: 1.0},
            routing={Option.RESELL: 1.0},
            reuse={},
            conditions={},
            tier=Tier.CLASSICAL,
        ),
        Verdict(
            grade=Grade.A,
            material=Material.ABS,
            routing=Routing(
                option=Option.RESELL,
                expected_value=0.0,
                alternatives=[],
                reasons=[],
                hold_for_human=False,
            ),
            forced_by=None,
            confidence=1.0,
            uncertainty=0.0,
            criticality=0.0,
        ),
        Disassembly(steps=[], expected_value=0.0),
        DistillerInfo(model="none", version="0", sha256="", tier=Tier.CLASSICAL, selection=None),
        decided_at=revision.deadline,
        validity=0,
    )
