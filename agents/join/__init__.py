"""The join: observations in, revisions of passages out. What it promises: `agents/README.md`."""

from agents.join.arrival import (
    BEGINNING,
    Arrival,
    EvidenceKey,
    Excess,
    Finished,
    JoinConfig,
    Output,
    Revision,
    TooLate,
)
from agents.join.join import Join
from agents.join.watermark import Watermark

__all__ = [
    "BEGINNING",
    "Arrival",
    "EvidenceKey",
    "Excess",
    "Finished",
    "Join",
    "JoinConfig",
    "Output",
    "Revision",
    "TooLate",
    "Watermark",
]
