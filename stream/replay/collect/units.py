"""From records to features: the arrays of a data set, filled as the records come."""

import logging
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch

from agents.distiller.heads import HEADS
from agents.extract.kinds import KINDS, extract
from agents.join import Origin
from agents.lab.training.dataset import Dataset
from schemas.codec import decode
from schemas.errors import RecordError
from schemas.limits import Limits
from schemas.modality import MODALITIES, Modality
from stream.replay.collect.passages import DecidedPassage

log = logging.getLogger(__name__)


class Record(Protocol):
    """What is read of aiokafka's ConsumerRecord."""

    topic: str
    partition: int
    offset: int
    value: bytes | None


class _Slot(NamedTuple):
    """Where the features of an observation go."""

    row: int
    modality: Modality
    unit_id: str
    observation_id: str


class Units:
    """The units of N passages, at first without any observation. 28 KB each.

    Args:
        passages: one row each, in this order.
        limits: bounds of a record.
    """

    def __init__(self, passages: Sequence[DecidedPassage], limits: Limits) -> None:
        n = len(passages)
        self._limits = limits
        self._features = {m: np.zeros((n, *KINDS[m].shape), np.float32) for m in MODALITIES}
        self._arrived = np.zeros((n, len(MODALITIES)), np.bool_)
        self._sought: dict[Origin, list[_Slot]] = {}
        for row, passage in enumerate(passages):
            for used in passage.used:
                slot = _Slot(row, used.modality, passage.unit_id, used.observation_id)
                # Where stays are not separate, two passages may name one record.
                self._sought.setdefault(used.origin, []).append(slot)
        self.sought = sum(len(passage.used) for passage in passages)
        """Observations that the passages name."""
        self.unreadable = 0
        """Of these, the ones that do not decode (any more)."""

    def origins(self) -> list[Origin]:
        """Where the records lie that have not been offered yet."""
        return list(self._sought)

    def take(self, records: Iterable[Record]) -> int:
        """Extract the features of those records that a passage names, and pass over the others.

        Returns:
            How many observations these were.
        """
        taken = 0
        for record in records:
            slots = self._sought.pop(Origin(record.topic, record.partition, record.offset), [])
            for slot in slots:
                self._fill(slot, record)
            taken += len(slots)
        return taken

    def _fill(self, slot: _Slot, record: Record) -> None:
        try:
            observation = decode(record.value, slot.modality, self._limits)
            # A topic that was deleted and made anew has other records at the same offsets.
            named = (slot.unit_id, slot.observation_id)
            if (observation.unit_id, observation.observation_id) != named:
                return
            features = extract(observation.payload)
        except RecordError as error:
            self.unreadable += 1
            place = f"{record.topic}[{record.partition}]@{record.offset}"
            log.info("%s of %s is unreadable: %s", place, slot.unit_id, error)
            return
        self._features[slot.modality][slot.row] = features
        self._arrived[slot.row, MODALITIES.index(slot.modality)] = True

    @property
    def gone(self) -> int:
        """Observations whose records were not there, as far as has been read."""
        return self.sought - self.unreadable - int(self._arrived.sum())

    @property
    def empty(self) -> int:
        """Units without any observation, as far as has been read."""
        return int((~self._arrived.any(axis=1)).sum())

    def dataset(self) -> Dataset:
        """The units that are not empty, in order, none of them labelled."""
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
