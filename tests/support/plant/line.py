"""The line's settings and a model that costs nothing, for the real decide step."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agents.decide.step import DecideConfig, DecideStep, StartingPoint
from agents.join import JoinConfig, Revision
from schemas.decision import Decision
from schemas.feature_record import FeatureRecord
from schemas.record import Outgoing
from support.join_driver import decision_of
from support.plant.scenario import MAX_SOURCE_LAG, Scenario, topic_of

LATE = "units.late"
ENCODING = np.zeros(1, np.float32)


class _Model:
    def encode(self, records: Sequence[FeatureRecord]) -> Sequence[NDArray[np.float32]]:
        return [ENCODING] * len(records)

    def decide(self, revisions: Sequence[Revision], decided_at: int) -> Sequence[Decision]:
        return [decision_of(revision) for revision in revisions]


def make_step(scenario: Scenario, start: StartingPoint | None = None) -> DecideStep:
    """Returns the decide step of a home partition."""
    return DecideStep(
        DecideConfig(
            join=JoinConfig(
                window=scenario.window,
                grace=scenario.grace,
                provisional_after=scenario.provisional_after,
                expected=lambda unit_id: scenario.modalities,
            ),
            input_topics=frozenset(map(topic_of, scenario.modalities)),
            max_out_of_orderness=scenario.out_of_orderness,
            max_source_lag=MAX_SOURCE_LAG,
            late_topic=LATE,
            dead_letter_topic="units.dead-letter",
            publish=lambda decision: Outgoing(
                "routing.decisions", None, decision.decision_id.encode()
            ),
        ),
        _Model(),
        start,
    )
