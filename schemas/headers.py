"""The name of every header that the line writes or reads (`schemas/README.md` says on which)."""

# On `units.late` and wherever else a record is passed on.
ORIGIN = "regrade.origin"
"""Where the raw record lies: `topic/partition/offset`."""

# On `units.dead-letter`, besides those of Kafka Connect.
REASON = "regrade.reason"
"""A short code of why the record could not be used: `RecordError.reason`, or `internal`."""
NULL = "regrade.null"
"""`key,value` where both had been null, which the client library refuses to send."""
TRUNCATED = "regrade.truncated"
"""How many bytes the value had, where the topic takes no such large record."""

REPLAY_OF = "regrade.replay-of"
"""Where a record had lain that a replay has sent, where one asked for it: as in `ORIGIN`."""

UNREADABLE = "regrade.unreadable"
"""Why the client library could not read a record; on its stand-in within a process, never sent."""

# Kafka Connect's (KIP-298), on dead letters.
ERROR_TOPIC = "__connect.errors.topic"
ERROR_PARTITION = "__connect.errors.partition"
ERROR_OFFSET = "__connect.errors.offset"
ERROR_STAGE = "__connect.errors.stage"
ERROR_CLASS = "__connect.errors.exception.class.name"
ERROR_MESSAGE = "__connect.errors.exception.message"

# CloudEvents in binary mode, on decisions.
CE_SPECVERSION = "ce_specversion"
CE_ID = "ce_id"
CE_TYPE = "ce_type"
CE_SOURCE = "ce_source"
CE_SUBJECT = "ce_subject"
CE_TIME = "ce_time"
CONTENT_TYPE = "content-type"
