"""The model as the decide step asks it: features to encodings, revisions to decisions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agents.decide.compose import compose_decision
from agents.decide.disassembly import DisassemblyTable, plan_disassembly
from agents.decide.policy import Policy
from agents.distiller.distiller import Distiller, Encoding
from agents.distiller.hierarchy import HierarchicalDistillation
from agents.distiller.prediction import Prediction
from agents.join import Revision
from schemas.decision import Decision
from schemas.errors import InvalidField, OtherFeatures, RecordError, UnusablePayload
from schemas.feature_record import FeatureRecord


@dataclass(frozen=True, slots=True)
class Decider:
    """Encodes what arrives, and distils, rules, plans and composes what is to be decided."""

    hierarchy: HierarchicalDistillation
    policy: Policy
    disassembly: DisassemblyTable

    def encode(self, records: Sequence[FeatureRecord]) -> list[Encoding | RecordError]:
        """Returns, in order, the encoding of each record, float32 (D,), or why it has none.

        Features that were made in another way than those the model was trained on are refused.
        """
        distiller = self.hierarchy.distiller
        results: list[Encoding | RecordError | None] = [
            _check(record, distiller) for record in records
        ]
        for modality in distiller.model.modalities:
            slots = [
                slot
                for slot, record in enumerate(records)
                if record.modality is modality and results[slot] is None
            ]
            if not slots:
                continue
            features = np.stack([records[slot].features for slot in slots], dtype=np.float64)
            encoded = distiller.encode_features(modality, features)
            finite = np.logical_and.reduce(np.isfinite(encoded), axis=1)
            for slot, row, usable in zip(slots, encoded, finite, strict=True):
                results[slot] = row if usable else UnusablePayload("its encoding is not finite")
        return [result for result in results if result is not None]

    def decide(self, revisions: Sequence[Revision], decided_at: int) -> list[Decision]:
        """Returns one decision a revision, in order.

        Args:
            decided_at: the wall clock, ms since 1970 UTC.
        """
        if not revisions:
            return []
        units = [{m: a.encoding for m, a in revision.newest.items()} for revision in revisions]
        predictions = self.hierarchy.distill(units)
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
            self.hierarchy.info(prediction),
            decided_at=decided_at,
            validity=round(self.policy.valid_for_s * 1000),
        )


def _check(record: FeatureRecord, distiller: Distiller) -> RecordError | None:
    """Returns what is wrong with features; None: they are what the model was trained on."""
    trained_on = distiller.fingerprints.get(record.modality)
    if record.fingerprint != trained_on:
        return OtherFeatures(
            f"{record.modality} features of {record.unit_id} have the fingerprint"
            f" {record.fingerprint}, the model was trained on {trained_on}; send the observation at"
            " their origin again once extract and decide workers have the same version"
        )
    shape = distiller.model.config.shapes[record.modality]
    if record.features.shape != shape:
        return InvalidField(f"features have the shape {record.features.shape}, not {shape}")
    return None
