"""The model as the decide step asks it: features to encodings, revisions to decisions."""

from dataclasses import replace

import numpy as np
import pytest
from support.steps import T0

from agents.decide.decider import Decider
from agents.extract.kinds import KINDS
from agents.join import Arrival, Revision
from schemas.errors import InvalidField, OtherFeatures
from schemas.feature_record import FeatureRecord, Origin
from schemas.ids import decision_id_of, passage_id_of
from schemas.modality import Modality
from stream.configure import load_decider
from stream.settings import Settings


@pytest.fixture(scope="module")
def decider() -> Decider:
    return load_decider(Settings())


def features(modality: Modality, scale: float = 0.1) -> FeatureRecord:
    kind = KINDS[modality]
    values = np.full(kind.shape, scale, np.float16)
    origin = Origin(f"units.{modality}", 0, 1)
    return FeatureRecord("LT-1", modality, "o", T0, "s", origin, kind.fingerprint, values)


def test_each_record_is_encoded_as_if_it_were_alone_and_in_order(decider: Decider) -> None:
    records = [
        features(Modality.THERMAL),
        features(Modality.BATTERY, 0.2),
        features(Modality.THERMAL, 0.3),
    ]
    together = decider.encode(records)
    for record, encoding in zip(records, together, strict=True):
        (alone,) = decider.encode([record])
        assert isinstance(encoding, np.ndarray)
        np.testing.assert_allclose(encoding, alone, rtol=1e-5, atol=1e-6)


def test_features_that_were_made_otherwise_are_refused_and_harm_nobody(decider: Decider) -> None:
    good = features(Modality.BATTERY)
    other = replace(good, fingerprint="ffff")
    shape = replace(good, features=np.ones((3, 1), np.float16))
    first, second, third, last = decider.encode([good, other, shape, good])
    assert isinstance(first, np.ndarray)
    assert isinstance(last, np.ndarray)
    np.testing.assert_array_equal(first, last)
    assert isinstance(second, OtherFeatures)
    assert "fingerprint ffff" in str(second)
    assert isinstance(third, InvalidField)


def test_a_revision_becomes_a_decision(decider: Decider) -> None:
    record = features(Modality.BATTERY)
    (encoding,) = decider.encode([record])
    passage_id = passage_id_of("LT-1", T0)
    arrival = Arrival(
        "LT-1", record.modality, "o", T0, "s", record.origin, encoding=encoding, token=None
    )
    revision = Revision(
        passage_id=passage_id,
        decision_id=decision_id_of(passage_id, 1),
        unit_id="LT-1",
        revision=1,
        supersedes=None,
        status="final",
        closed_by="window",
        opened_at=T0,
        deadline=T0 + 60_000,
        evidence=(arrival,),
        missing=(Modality.VISUAL,),
    )
    (decision,) = decider.decide([revision], T0 + 70_000)
    assert (decision.passage_id, decision.revision, decision.missing) == (
        passage_id,
        1,
        [Modality.VISUAL],
    )
    assert decision.decided_at.timestamp() * 1000 == T0 + 70_000
    assert decision.valid_until > decision.decided_at
    (again,) = decider.decide([revision], T0 + 80_000)
    same = again.model_copy(
        update={"decided_at": decision.decided_at, "valid_until": decision.valid_until}
    )
    assert same == decision
    assert decider.decide([], T0) == []
