"""From a revision to the decision that is published, with the weights and tables that ship."""

from support.encodings import encode

from agents.disassembly import DisassemblyTable, plan_disassembly
from agents.distiller.distiller import Distiller
from agents.distiller.hierarchy import HierarchicalDistillation
from agents.join import Arrival, Join, JoinConfig, Origin, Revision
from agents.policy import Policy
from agents.simulator import simulate_unit
from schemas.modality import MODALITIES
from stream.pipeline.decider import Decider

SEED, UNITS = 7, 12


def revisions(distiller: Distiller) -> list[Revision]:
    """Simulated units, each complete."""
    join = Join(JoinConfig(9, 0, expected=lambda _: MODALITIES))
    outputs = []
    for number in range(UNITS):
        unit = simulate_unit(SEED, number)
        encodings = encode(distiller, [unit.payload(modality) for modality in MODALITIES])
        for modality, encoding in zip(MODALITIES, encodings, strict=True):
            origin = Origin(f"units.{modality}", 0, number)
            outputs += join.observe(
                Arrival(f"LT-{number}", modality, "o", number, "s", origin, encoding)
            )
    return [output for output in outputs if isinstance(output, Revision)]


def test_decisions_carry_the_verdict_and_the_plan_of_their_own_prediction() -> None:
    policy, table = Policy.load(), DisassemblyTable.load()
    distiller = HierarchicalDistillation(Distiller.load(threads=None), policy.criticality)
    found = revisions(distiller.distiller)
    assert len(found) == UNITS
    decided = Decider(distiller, policy, table).decide(found, decided_at=1000)
    seen = [{m: a.features for m, a in revision.newest.items()} for revision in found]
    for revision, prediction, decision in zip(found, distiller.distill(seen), decided, strict=True):
        option = policy.rule_on(prediction).routing.option
        assert (decision.unit_id, decision.routing.option) == (revision.unit_id, option)
        plan = plan_disassembly(table, decision.unit_id, prediction, option)
        assert decision.disassembly == plan
        assert decision.distiller == distiller.info(prediction)
        assert decision.distiller.selection == prediction.selection is not None
    assert len({len(decision.disassembly.steps) for decision in decided}) > 2
