"""Records that leave the line: dead letters, late ones and those on their way home.

All keep key, value and headers byte for byte.
"""

from agents.join import Origin
from schemas.errors import RecordError
from stream.kafka.topics import Topics
from stream.pipeline.intake import ORIGIN_HEADER, Dead
from stream.pipeline.record import Headers, Outgoing, Record

NULL_HEADER = "regrade.null"
"""Set where key and value were both null, which the client library refuses to send."""
REASON_HEADER = "regrade.reason"
MAX_MESSAGE = 1_000


def dead_letter(topics: Topics, record: Record, dead: Dead) -> Outgoing:
    """The record with Kafka Connect's error headers (KIP-298)."""
    error = dead.error
    reason = error.reason if isinstance(error, RecordError) else "internal"
    found = {
        "__connect.errors.topic": record.topic,
        "__connect.errors.partition": str(record.partition),
        "__connect.errors.offset": str(record.offset),
        "__connect.errors.stage": dead.stage,
        "__connect.errors.exception.class.name": f"{type(error).__module__}.{type(error).__name__}",
        "__connect.errors.exception.message": str(error)[:MAX_MESSAGE],
        REASON_HEADER: reason,
    }
    headers = [(name, value.encode("utf-8", "replace")) for name, value in found.items()]
    return _copy(topics.dead_letter, record, headers)


def late(topics: Topics, record: Record, origin: Origin) -> Outgoing:
    """The record of an observation whose passage had been retired."""
    return _copy(topics.late, record, [_origin_header(origin)])


def forward(topics: Topics, record: Record, home: int) -> Outgoing:
    """The record on its way to its home partition."""
    origin = Origin(record.topic, record.partition, record.offset)
    return _copy(topics.repartition, record, [_origin_header(origin)], partition=home)


def _origin_header(origin: Origin) -> tuple[str, bytes]:
    return ORIGIN_HEADER, f"{origin.topic}/{origin.partition}/{origin.offset}".encode()


def _copy(topic: str, record: Record, more: Headers, partition: int | None = None) -> Outgoing:
    headers = [*record.headers, *more]
    value = record.value
    if record.key is None and value is None:
        headers.append((NULL_HEADER, b"key,value"))
        value = b""
    timestamp = max(record.timestamp, 0) or None
    return Outgoing(topic, record.key, value, headers, partition, timestamp, shrinkable=True)
