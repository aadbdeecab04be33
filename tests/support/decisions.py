"""Decisions made by hand: the evidence is what a test says, the rest a dummy."""

from collections.abc import Iterable

from agents.decide.compose import compose_decision
from agents.decide.policy import Verdict
from agents.distiller.prediction import Prediction
from agents.join import Arrival, Revision
from agents.join.arrival import Status
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
from schemas.feature_record import Origin
from schemas.ids import decision_id_of, passage_id_of
from schemas.modality import MODALITIES
from schemas.observation import Observation


def evidence_of(observation: Observation, origin: Origin) -> Arrival:
    """The observation, as if the join had seen its record there."""
    return Arrival(
        observation.unit_id,
        observation.modality,
        observation.observation_id,
        observation.captured_at,
        observation.source,
        origin,
    )


def a_decision(
    unit_id: str,
    evidence: Iterable[Arrival],
    *,
    opened_at: int = 0,
    revision: int = 1,
    status: Status | None = None,
) -> Decision:
    """One revision of the passage of `unit_id` that opened then, ms since 1970 UTC."""
    evidence = tuple(evidence)
    passage_id = passage_id_of(unit_id, opened_at)
    seen = {arrival.modality for arrival in evidence}
    return decision_of(
        Revision(
            passage_id=passage_id,
            decision_id=decision_id_of(passage_id, revision),
            unit_id=unit_id,
            revision=revision,
            supersedes=decision_id_of(passage_id, revision - 1) if revision > 1 else None,
            status=status or ("final" if revision == 1 else "amended"),
            closed_by="window",
            opened_at=opened_at,
            deadline=opened_at + 60_000,
            evidence=evidence,
            missing=tuple(m for m in MODALITIES if m not in seen),
        )
    )


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
