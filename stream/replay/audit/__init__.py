"""The audit: was everything that was sent decided, once, and on all of its evidence?

It reads the topics itself and compares them with what was produced; no counter of a worker is
trusted. The demo ends with it, and so do the tests that kill workers.
"""

from stream.replay.audit.compare import compare
from stream.replay.audit.facts import (
    AuditReport,
    Damaged,
    Found,
    ObservationKey,
    Outcome,
    Produced,
    ProducedPassage,
)
from stream.replay.audit.topics import audit, read_topics

__all__ = [
    "AuditReport",
    "Damaged",
    "Found",
    "ObservationKey",
    "Outcome",
    "Produced",
    "ProducedPassage",
    "audit",
    "compare",
    "read_topics",
]
