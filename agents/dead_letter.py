"""Dead letters: records that cannot be used, byte for byte, with what was wrong with them.

The headers are those of Kafka Connect (KIP-298), and a reason code of ours (`schemas.headers`).
"""

from schemas import headers
from schemas.errors import RecordError
from schemas.record import Outgoing, Record

MAX_MESSAGE = 1_000
"""Characters of an error's message that a header holds."""


def dead_letter(topic: str, record: Record, error: RecordError, stage: str) -> Outgoing:
    """Returns the record as it goes to the dead-letter topic.

    Args:
        topic: the dead-letter topic.
        stage: where it failed: fetch, decode, clock, extract, encode or join.
    """
    kind = type(error)
    found = {
        headers.ERROR_TOPIC: record.topic,
        headers.ERROR_PARTITION: str(record.partition),
        headers.ERROR_OFFSET: str(record.offset),
        headers.ERROR_STAGE: stage,
        headers.ERROR_CLASS: f"{kind.__module__}.{kind.__name__}",
        headers.ERROR_MESSAGE: str(error)[:MAX_MESSAGE],
        headers.REASON: error.reason,
    }
    more = [(name, value.encode("utf-8", "replace")) for name, value in found.items()]
    value = record.value
    if record.key is None and value is None:  # the client library refuses to send that
        more.append((headers.NULL, b"key,value"))
        value = b""
    return Outgoing(
        topic,
        record.key,
        value,
        [*record.headers, *more],
        timestamp=max(record.timestamp, 0) or None,
        shrinkable=True,
    )
