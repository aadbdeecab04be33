"""The arrays of a data set, filled as feature records come."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch

from agents.distiller.heads import HEADS
from agents.extract.kinds import KINDS
from agents.lab.training.dataset import Dataset
from schemas.feature_record import FeatureRecord, Origin
from schemas.modality import MODALITIES
from stream.replay.collect.passages import DecidedPassage

Sought = tuple[Origin, str, str]
"""Origin, unit_id and observation_id: a topic that was made anew has others at the same offsets."""


class Units:
    """The units of N passages, at first without any observation. 28 KB each.

    Args:
        passages: one row each, in this order.

    Attributes:
        sought: observations that the passages name.
        unreadable: of these, the ones whose features were made in another way than ours.
    """

    def __init__(self, passages: Sequence[DecidedPassage]) -> None:
        n = len(passages)
        self._features = {m: np.zeros((n, *KINDS[m].shape), np.float32) for m in MODALITIES}
        self._arrived = np.zeros((n, len(MODALITIES)), np.bool_)
        # Where stays are not separate, two passages may name one record.
        self._rows: dict[Sought, list[int]] = defaultdict(list)
        for row, passage in enumerate(passages):
            for used in passage.used:
                origin = Origin(used.topic, used.partition, used.offset)
                self._rows[origin, passage.unit_id, used.observation_id].append(row)
        self.sought = sum(len(passage.used) for passage in passages)
        self.unreadable = 0

    def take(self, record: FeatureRecord) -> None:
        """Keeps the features of a record that a passage names, and passes over any other."""
        key = record.origin, record.unit_id, record.observation_id
        rows, modality = self._rows.pop(key, []), record.modality
        if record.fingerprint != KINDS[modality].fingerprint:
            self.unreadable += len(rows)
            return
        self._features[modality][rows] = record.features
        self._arrived[rows, MODALITIES.index(modality)] = True

    @property
    def gone(self) -> int:
        """Observations whose records were not there, as far as has been read."""
        return self.sought - self.unreadable - int(self._arrived.sum())

    @property
    def empty(self) -> int:
        """Units without any observation, as far as has been read."""
        return int((~self._arrived.any(axis=1)).sum())

    def dataset(self) -> Dataset:
        """Returns the units that are not empty, in order, none of them labelled."""
        n = len(self._arrived)
        data = Dataset(
            {m: torch.from_numpy(x) for m, x in self._features.items()},
            tuple(
                torch.zeros(n, dtype=torch.int64) if head.exclusive else torch.zeros(n, head.size)
                for head in HEADS
            ),
            torch.from_numpy(self._arrived),
            torch.zeros(n, dtype=torch.bool),
        )
        return data.rows(data.arrived.any(dim=1)) if self.empty else data
