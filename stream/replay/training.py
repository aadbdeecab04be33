"""Training data out of a recording: what units looked like to all stations, for nothing.

What belongs to one unit is what the join of the decide stage finds out, so it takes the very step
of a worker, with a model that judges nobody and remembers what it was shown.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from agents.decide.policy import Policy
from agents.distiller.heads import HEADS, Head
from agents.extract.kinds import KINDS
from agents.join import Revision
from agents.lab.training.dataset import Dataset
from agents.line import Homes
from schemas.decision import Decision
from schemas.errors import OtherFeatures, RecordError
from schemas.feature_record import FeatureRecord
from schemas.modality import MODALITIES, Modality
from stream.configure import decide_steps
from stream.errors import RecordingError
from stream.replay.extracting import passed_on
from stream.replay.recorded_line import RecordedLine, Source
from stream.replay.recording import Recording
from stream.settings import Settings

LIMIT = 24_000
"""As many as training takes of simulated units in their place; 28 KB each."""
Targets = tuple[int | list[float], ...]
"""Per head the class, or the truth of each class."""

_EXAMPLE = (
    '{"unit_id": "LT-1", "quality": "B", "material": "ABS", "routing": "resell",'
    ' "reuse": {"battery": true, ...}, "conditions": {"fan-worn": false, ...}}'
)


@dataclass(slots=True)
class _Shown:
    """A passage as it was when it was last to be decided."""

    unit_id: str
    opened_at: int
    features: dict[Modality, NDArray[np.float32]]


@dataclass(slots=True)
class _Onlooker:
    """A model that remembers the last passages it was asked to judge."""

    limit: int
    passages: dict[str, _Shown] = field(default_factory=dict)
    unreadable: int = 0

    def encode(self, records: Sequence[FeatureRecord]) -> list[NDArray[np.float32] | RecordError]:
        found: list[NDArray[np.float32] | RecordError] = []
        for record in records:
            if record.fingerprint == KINDS[record.modality].fingerprint:
                found.append(record.features.astype(np.float32))
            else:
                self.unreadable += 1
                found.append(OtherFeatures(f"the fingerprint {record.fingerprint} is not ours"))
        return found

    def decide(self, revisions: Sequence[Revision], decided_at: int) -> list[Decision]:
        for revision in revisions:
            if revision.status != "provisional":
                self.passages.pop(revision.passage_id, None)
                self.passages[revision.passage_id] = _Shown(
                    revision.unit_id,
                    revision.opened_at,
                    {m: arrival.encoding for m, arrival in revision.newest.items()},
                )
        while len(self.passages) > self.limit:
            del self.passages[next(iter(self.passages))]
        return []


@dataclass(frozen=True, slots=True)
class Gathered:
    """Units of a recording, and what is known of them."""

    units: Dataset
    """In the order in which their passages opened."""
    modalities: Mapping[Modality, int]
    """Of how many units each arrived."""
    labelled: int
    unreadable: int
    """Feature records that another version made: they were left out."""

    @property
    def summary(self) -> str:
        """Says in one line what there is."""
        seen = ", ".join(f"{modality} {count:,}" for modality, count in self.modalities.items())
        return (
            f"{len(self.units):,} units, {self.labelled:,} of them labelled, with {seen};"
            f" {self.unreadable:,} features of another version left out"
        )


def gather(
    settings: Settings,
    path: Path,
    labels: Path | None = None,
    *,
    source: Source | None = None,
    limit: int = LIMIT,
) -> Gathered:
    """Returns the features of the passages of a recording.

    Of each passage its last revision counts, provisional ones do not, and of it the newest
    observation of each modality.

    Args:
        labels: a JSON object a line, which has a unit_id and says the truth of every head.
        limit: how many passages at most: the last to be decided.

    Raises:
        RecordingError: the recording or the labels cannot be read, or there is nothing in it.
    """
    known = {} if labels is None else read_labels(labels)
    line = RecordedLine.of(settings, path, source)
    onlooker = _Onlooker(limit)
    policy = Policy.load(settings.policy_path)
    homes = range(line.homes)
    stage = Homes(decide_steps(line.settings, line.homes, onlooker, policy), homes)
    for passed, _, _ in passed_on(line, Recording(path), homes):
        stage.step(passed)
    shown = sorted(onlooker.passages.items(), key=lambda item: (item[1].opened_at, item[0]))
    if not shown:
        raise RecordingError(
            f"{path} has no unit whose passage ended ({onlooker.unreadable} features were made by"
            " another version); record for longer than window"
        )
    units = _dataset([passage for _, passage in shown], known)
    counts = dict(zip(MODALITIES, units.arrived.sum(dim=0).tolist(), strict=True))
    return Gathered(units, counts, int(units.labelled.sum()), onlooker.unreadable)


def read_labels(path: Path) -> dict[str, Targets]:
    """Returns the targets of each unit that a file of labels names.

    Raises:
        RecordingError: it cannot be read.
    """
    found: dict[str, Targets] = {}
    number = 0
    try:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                number += 1
                said = json.loads(line)
                found[said["unit_id"]] = tuple(_target(head, said[head.name]) for head in HEADS)
    except OSError as error:
        raise RecordingError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise RecordingError(
            f"{path}, line {number}: {error!r}; a line of labels is like {_EXAMPLE}"
        ) from error
    return found


def _target(head: Head, said: Any) -> int | list[float]:
    if head.exclusive:
        return list(head.classes).index(head.classes(said))
    if not isinstance(said, dict):
        raise TypeError(f"{head.name} is a table of true and false")
    return [float(bool(said[name])) for name in head.classes]


def _dataset(shown: Sequence[_Shown], known: Mapping[str, Targets]) -> Dataset:
    n = len(shown)
    features = {m: np.zeros((n, *KINDS[m].shape), np.float32) for m in MODALITIES}
    arrived = np.zeros((n, len(MODALITIES)), np.bool_)
    targets = [
        torch.zeros(n, dtype=torch.int64) if head.exclusive else torch.zeros(n, head.size)
        for head in HEADS
    ]
    for row, passage in enumerate(shown):
        for modality, of_unit in passage.features.items():
            features[modality][row] = of_unit
            arrived[row, MODALITIES.index(modality)] = True
        for target, truth in zip(targets, known.get(passage.unit_id, ()), strict=False):
            target[row] = torch.as_tensor(truth)
    return Dataset(
        {m: torch.from_numpy(x) for m, x in features.items()},
        tuple(targets),
        torch.from_numpy(arrived),
        torch.tensor([passage.unit_id in known for passage in shown]),
    )
