"""The join (house plan, section 4): observations in, revisions of passages out."""

from agents.join.arrival import (
    BEGINNING,
    Arrival,
    EvidenceKey,
    Finished,
    JoinConfig,
    Origin,
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
    "Finished",
    "Join",
    "JoinConfig",
    "Origin",
    "Output",
    "Revision",
    "TooLate",
    "Watermark",
]
