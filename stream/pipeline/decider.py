"""From revisions to decision records: distil, rule, compose. Runs off the event loop."""

from collections.abc import Sequence
from dataclasses import dataclass

from agents.compose import compose_decision
from agents.distiller.distiller import Distiller
from agents.join import Revision
from agents.policy import Policy
from schemas.decision import Decision
from stream.partitioner import home_partition
from stream.pipeline.record import Outgoing
from stream.topics import Topics

EVENT_TYPE = "io.regrade.decision.v1"


@dataclass(frozen=True, slots=True)
class Decider:
    """Turns a micro-batch of revisions into decisions."""

    distiller: Distiller
    policy: Policy

    def decide(self, revisions: Sequence[Revision], decided_at: int) -> list[Decision]:
        """One decision a revision, in order.

        Args:
            decided_at: the wall clock, ms since 1970 UTC.
        """
        units = [{m: a.features for m, a in revision.newest.items()} for revision in revisions]
        predictions = self.distiller.distill(units)
        return [
            compose_decision(
                revision,
                prediction,
                self.policy.rule_on(prediction),
                self.distiller.info,
                decided_at=decided_at,
                validity=round(self.policy.valid_for_s * 1000),
            )
            for revision, prediction in zip(revisions, predictions, strict=True)
        ]


def decision_record(topics: Topics, partitions: int, decision: Decision) -> Outgoing:
    """The decision with CloudEvents 1.0 headers in Kafka's binary content mode."""
    body = decision.model_dump_json().encode()
    headers = {
        "ce_specversion": "1.0",
        "ce_id": decision.decision_id,
        "ce_type": EVENT_TYPE,
        "ce_source": f"/{topics.prefix}regrade",
        "ce_subject": decision.unit_id,
        "ce_time": decision.decided_at.isoformat(timespec="milliseconds"),
        "content-type": "application/json",
    }
    return Outgoing(
        topics.decisions,
        decision.unit_id.encode(),
        body,
        [(name, value.encode()) for name, value in headers.items()],
        partition=home_partition(decision.unit_id, partitions),
    )
