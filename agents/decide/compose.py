"""Puts a decision together: the join's revision, the prediction, the policy's verdict, the plan."""

from datetime import UTC, datetime, timedelta

from agents.decide.policy import Verdict
from agents.distiller.prediction import Prediction
from agents.join import Revision
from schemas.decision import Decision, Disassembly, DistillerInfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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
    # From plain fields in one call: each record built by itself costs a call from Python.
    return Decision.model_validate(
        {
            "decision_id": revision.decision_id,
            "passage_id": revision.passage_id,
            "unit_id": revision.unit_id,
            "revision": revision.revision,
            "supersedes": revision.supersedes,
            "status": revision.status,
            "passage": {
                "opened_at": _time(revision.opened_at),
                "deadline": _time(revision.deadline),
                "closed_by": revision.closed_by,
            },
            "quality": {"grade": verdict.grade, "probabilities": prediction.quality},
            "material": {"type": verdict.material, "probabilities": prediction.material},
            "routing": verdict.routing,
            "reuse": prediction.reuse,
            "disassembly": disassembly,
            "confidence": verdict.confidence,
            "uncertainty": verdict.uncertainty,
            "criticality": verdict.criticality,
            "evidence": [
                {
                    "modality": arrival.modality,
                    "observation_id": arrival.observation_id,
                    "source": arrival.source,
                    "captured_at": _time(arrival.captured_at),
                    "topic": arrival.origin.topic,
                    "partition": arrival.origin.partition,
                    "offset": arrival.origin.offset,
                }
                for arrival in revision.evidence
            ],
            "missing": revision.missing,
            "distiller": distiller,
            "decided_at": _time(decided_at),
            "valid_until": _time(decided_at + validity),
        }
    )


def _time(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=ms)
