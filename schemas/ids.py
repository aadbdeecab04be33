"""What identifiers of records may look like, and how passages and decisions get theirs."""

import re
from uuid import UUID, uuid5

from schemas.decision import Decision
from schemas.errors import InvalidField

UNIT_ID = re.compile(r"[A-Za-z0-9._:/\-]{1,128}")
MAX_ID = 128
MAX_TOPIC = 249
"""Kafka's own bound on the name of a topic."""

# Any fixed namespace will do; it must never change, or a replay would rename decisions.
NAMESPACE = UUID("6f0d6c5e-8f5b-5c3e-9d53-2f1e5a0b7c11")


def passage_id_of(unit_id: str, opened_at: int) -> str:
    """Returns the name of a unit's passage.

    Args:
        unit_id: of the unit.
        opened_at: when the passage had opened when it was first decided, ms since 1970 UTC.
    """
    return str(uuid5(uuid5(NAMESPACE, unit_id), str(opened_at)))


def decision_id_of(passage_id: str, revision: int) -> str:
    """Returns the name of one revision of a passage that `passage_id_of` has named.

    It does not depend on the decision's content.
    """
    return str(uuid5(UUID(passage_id), str(revision)))


def is_ours(decision: Decision) -> bool:
    """Whether a decision bears the name that a line of this house would have given it.

    False for what others write, such as one with a passage_id that is no UUID.
    """
    try:
        passage = UUID(decision.passage_id)
    except ValueError:
        return False
    return (
        passage.version == 5
        and decision.passage_id == str(passage)
        and decision.decision_id == decision_id_of(decision.passage_id, decision.revision)
    )


def check_unit_id(unit_id: str) -> None:
    """Refuses a unit_id that breaks the contract.

    Raises:
        InvalidField: it is not 1 to 128 characters of `A-Z a-z 0-9 . _ : / -`.
    """
    if not UNIT_ID.fullmatch(unit_id):
        raise InvalidField(
            f"unit_id {unit_id[:160]!r} is not 1 to 128 characters of A-Z a-z 0-9 . _ : / -"
        )


def check_id(name: str, value: str) -> None:
    """Refuses any other identifier that breaks the contract; `name` is its field, for messages.

    Raises:
        InvalidField: it is not 1 to 128 printable characters.
    """
    if not 1 <= len(value) <= MAX_ID or not value.isprintable():
        raise InvalidField(f"{name} is not 1 to {MAX_ID} printable characters")


def check_place(topic: str, partition: int, offset: int) -> None:
    """Refuses a place in Kafka that cannot be one.

    Raises:
        InvalidField: the topic has no name or too long a one, or a number is negative.
    """
    if not 1 <= len(topic) <= MAX_TOPIC or not topic.isprintable():
        raise InvalidField(f"a topic is not 1 to {MAX_TOPIC} printable characters")
    if partition < 0 or offset < 0:
        raise InvalidField(f"partition {partition}, offset {offset} of {topic} cannot be negative")
