"""Units that a model really decides, without a line: simulated, extracted, encoded, decided."""

from collections import defaultdict
from dataclasses import replace
from functools import cache

import numpy as np

from agents.decide.decider import Decider
from agents.extract.kinds import KINDS
from agents.join import Arrival, Revision
from agents.lab.simulator import LinePlan
from schemas.decision import Decision
from schemas.feature_record import FeatureRecord, Origin
from schemas.ids import decision_id_of, passage_id_of
from schemas.modality import MODALITIES
from support.steps import T0


@cache
def feature_records(units: int, seed: int = 7) -> tuple[FeatureRecord, ...]:
    """What the extract stage makes of a simulated line."""
    records = []
    for offset, each in enumerate(LinePlan(units, seed, T0, rate=10.0).schedule()):
        seen = each.observation
        kind = KINDS[seen.modality]
        (features,) = kind.extract([seen.payload])
        assert isinstance(features, np.ndarray)
        origin = Origin(f"units.{seen.modality}", 0, offset)
        records.append(
            FeatureRecord(
                seen.unit_id,
                seen.modality,
                seen.observation_id,
                seen.captured_at,
                seen.source,
                origin,
                kind.fingerprint,
                features,
            )
        )
    return tuple(records)


def decide_units(decider: Decider, units: int, seed: int = 7) -> list[Decision]:
    """Returns the decision on each unit of a simulated line, on all that was seen of it."""
    records = feature_records(units, seed)
    stays: dict[str, list[Arrival]] = defaultdict(list)
    for record, encoding in zip(records, decider.encode(records), strict=True):
        arrival = Arrival(
            record.unit_id,
            record.modality,
            record.observation_id,
            record.captured_at,
            record.source,
            record.origin,
        )
        stays[record.unit_id].append(replace(arrival, encoding=encoding))
    return decider.decide([_revision(unit, seen) for unit, seen in stays.items()], T0)


def _revision(unit_id: str, seen: list[Arrival]) -> Revision:
    opened_at = min(arrival.captured_at for arrival in seen)
    passage_id = passage_id_of(unit_id, opened_at)
    have = {arrival.modality for arrival in seen}
    return Revision(
        passage_id=passage_id,
        decision_id=decision_id_of(passage_id, 1),
        unit_id=unit_id,
        revision=1,
        supersedes=None,
        status="final",
        closed_by="window",
        opened_at=opened_at,
        deadline=opened_at + 60_000,
        evidence=tuple(sorted(seen, key=lambda arrival: arrival.captured_at)),
        missing=tuple(m for m in MODALITIES if m not in have),
    )
