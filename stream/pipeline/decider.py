"""From revisions to decision records: distil, rule, plan, compose. Runs off the event loop."""

from collections.abc import Sequence
from dataclasses import dataclass

from agents.decide.compose import compose_decision
from agents.decide.disassembly import DisassemblyTable, plan_disassembly
from agents.decide.policy import Policy
from agents.distiller.hierarchy import HierarchicalDistillation
from agents.distiller.prediction import Prediction
from agents.join import Revision
from schemas.decision import Decision
from stream.kafka.partitioner import home_partition
from stream.kafka.topics import Topics
from stream.pipeline.record import Outgoing

EVENT_TYPE = "io.regrade.decision.v1"


@dataclass(frozen=True, slots=True)
class Decider:
    """Turns a micro-batch of revisions into decisions."""

    distiller: HierarchicalDistillation
    policy: Policy
    disassembly: DisassemblyTable

    def decide(self, revisions: Sequence[Revision], decided_at: int) -> list[Decision]:
        """One decision a revision, in order.

        Args:
            decided_at: the wall clock, ms since 1970 UTC.
        """
        units = [{m: a.features for m, a in revision.newest.items()} for revision in revisions]
        predictions = self.distiller.distill(units)
        return [
            self._decide(revision, prediction, decided_at)
            for revision, prediction in zip(revisions, predictions, strict=True)
        ]

    def _decide(self, revision: Revision, prediction: Prediction, decided_at: int) -> Decision:
        verdict = self.policy.rule_on(prediction)
        option = verdict.routing.option
        return compose_decision(
            revision,
            prediction,
            verdict,
            plan_disassembly(self.disassembly, revision.unit_id, prediction, option),
            self.distiller.info(prediction),
            decided_at=decided_at,
            validity=round(self.policy.valid_for_s * 1000),
        )


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
