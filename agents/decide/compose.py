"""Puts a decision together: the join's revision, the prediction, the policy's verdict, the plan."""

from datetime import UTC, datetime

from agents.decide.policy import Verdict
from agents.distiller.prediction import Prediction
from agents.join import Revision
from schemas.decision import (
    Decision,
    Disassembly,
    DistillerInfo,
    Evidence,
    MaterialFinding,
    PassageInfo,
    Quality,
)


def compose_decision(
    revision: Revision,
    prediction: Prediction,
    verdict: Verdict,
    disassembly: Disassembly,
    distiller: DistillerInfo,
    *,
    decided_at: int,
    validity: int,
) -> Decision:
    """The decision record of one revision (`agents/README.md`).

    Args:
        decided_at: the wall clock, ms since 1970 UTC.
        validity: how long the decision may be acted on, ms.
    """
    return Decision(
        decision_id=revision.decision_id,
        passage_id=revision.passage_id,
        unit_id=revision.unit_id,
        revision=revision.revision,
        supersedes=revision.supersedes,
        status=revision.status,
        passage=PassageInfo(
            opened_at=_time(revision.opened_at),
            deadline=_time(revision.deadline),
            closed_by=revision.closed_by,
        ),
        quality=Quality(grade=verdict.grade, probabilities=prediction.quality),
        material=MaterialFinding(type=verdict.material, probabilities=prediction.material),
        routing=verdict.routing,
        reuse=prediction.reuse,
        disassembly=disassembly,
        confidence=verdict.confidence,
        uncertainty=verdict.uncertainty,
        criticality=verdict.criticality,
        evidence=[
            Evidence(
                modality=arrival.modality,
                observation_id=arrival.observation_id,
                source=arrival.source,
                captured_at=_time(arrival.captured_at),
                topic=arrival.origin.topic,
                partition=arrival.origin.partition,
                offset=arrival.origin.offset,
            )
            for arrival in revision.evidence
        ],
        missing=list(revision.missing),
        distiller=distiller,
        decided_at=_time(decided_at),
        valid_until=_time(decided_at + validity),
    )


def _time(ms: int) -> datetime:
    # Whole ms through integers: a float of seconds would move some by a ms.
    return datetime.fromtimestamp(ms // 1000, UTC).replace(microsecond=ms % 1000 * 1000)
