"""The root of all errors, and why a record could not become an observation: one class a reason.

The class name goes to the dead letter's `__connect.errors.exception.class.name`, `reason` to the
metrics and `str(error)` to `__connect.errors.exception.message`.
"""

from typing import ClassVar


class RegradeError(Exception):
    """The root of every error that is raised on purpose. Its message is one line for the user."""


class RecordError(RegradeError):
    """A record that cannot be used. Its message says what was wrong and what to do."""

    reason: ClassVar[str] = "unusable"


class EmptyRecord(RecordError):
    """The record has no value (a tombstone means nothing on an observation topic)."""

    reason = "empty"


class UnknownEncoding(RecordError):
    """The first bytes are neither Avro single-object, Confluent framing nor JSON."""

    reason = "unknown-encoding"


class UnknownSchema(RecordError):
    """The Avro fingerprint is none of ours, or not the one of this topic's modality."""

    reason = "unknown-schema"


class NotSupportedYet(RecordError):
    """Well-formed, but a feature that this version does not have (claim check, registry)."""

    reason = "not-supported"


class Malformed(RecordError):
    """The bytes do not decode: truncated, flipped, or not what the framing promised."""

    reason = "malformed"


class InvalidField(RecordError):
    """The record decodes, but a field breaks the contract (type, range, NaN, lengths)."""

    reason = "invalid-field"


class TooLarge(RecordError):
    """A bound was exceeded (bytes, pixels, array length, text length, nesting)."""

    reason = "too-large"


class ClockSkew(RecordError):
    """`captured_at` lies ahead of the record's timestamp or of the wall clock by too much."""

    reason = "clock-skew"


class UnusablePayload(RecordError):
    """The payload is well-formed but its content cannot be read (a broken image, say)."""

    reason = "unusable-payload"


class Misread(RecordError):
    """The unit_id is what a scanner says when it could not read one."""

    reason = "misread"


class TooMuchEvidence(RecordError):
    """The passage holds as many observations as it may."""

    reason = "too-much-evidence"


class OtherFeatures(RecordError):
    """The features were made in another way than those that the model was trained on."""

    reason = "other-features"


class Unavailable(RegradeError):
    """What is needed cannot be had right now; to try again later may help."""
