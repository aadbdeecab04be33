"""What identifiers of records may look like."""

import re

from schemas.errors import InvalidField

UNIT_ID = re.compile(r"[A-Za-z0-9._:/\-]{1,128}")
MAX_ID = 128
MAX_TOPIC = 249
"""Kafka's own bound on the name of a topic."""


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
