"""What can go wrong around the broker: one class a cause, under the root `RegradeError`.

Every message is one line that says what happened and what to do about it. The command line prints
it as it is (a traceback only with `--debug`), so a caller can catch `RegradeError` and be done.
Records that cannot be used are not here: they are `schemas.errors.RecordError` and become dead
letters.
"""

from schemas.errors import RegradeError


class SettingsError(RegradeError):
    """A setting is wrong; the message names it, its value and where it came from."""


class BrokerUnreachable(RegradeError):
    """No bootstrap server answered, or none let us in."""


class EmbeddedBrokerError(RegradeError):
    """The embedded broker is not installed, or did not start."""


class MissingExtra(RegradeError):
    """A command needs packages that are not installed; the message says how to get them."""


class FileProblem(RegradeError):
    """A file cannot be an observation; the message names it and says what to do."""


class TopicError(RegradeError):
    """A topic is not as the line needs it."""


class MissingTopicError(TopicError):
    """A topic does not exist."""


class CoPartitionError(TopicError):
    """Topics that must have the same number of partitions do not, so units would not meet."""


class TopicRefused(TopicError):
    """A topic refuses records for good: its access rules, its policy, or it is gone."""


class ClientError(RegradeError):
    """A `Station` or a `DecisionReader` could not do what it was asked."""


class StationClosed(ClientError):
    """The station was not started, or has been closed."""


class RecordTooLarge(ClientError):
    """The encoded observation is larger than a record may be."""


class DeliveryError(ClientError):
    """The broker did not confirm a record; it may or may not have been written."""


class ReaderClosed(ClientError):
    """The reader was not started, or has been closed."""


class UndecodableDecision(ClientError):
    """A record on the decisions topic is not a decision (see `DecisionReader`, `on_error`)."""


class RecordingError(RegradeError):
    """A recording cannot be read or written as asked."""


class DiffError(RegradeError):
    """A set of decisions that is to be compared is not there, or cannot be read."""
