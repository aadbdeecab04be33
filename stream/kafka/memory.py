"""What the topics remember of a home partition that another worker has owned.

The marks before the committed offset say how far the input partitions were, and
`routing.decisions` says what has been decided (`stream/README.md`, "After a take-over").
"""

import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from schemas.decision import Decision
from schemas.decision_reading import read_decision
from schemas.errors import RecordError, Unavailable
from schemas.ids import is_ours
from schemas.record import Record
from stream.errors import BrokerUnreachable
from stream.kafka.tail import first_since, read_to_end, reading
from stream.kafka.topics import Topics
from stream.settings import Settings

log = logging.getLogger(__name__)

TOLD = 5
"""Records of others that the log names one by one when a home is read back."""


class TopicMemory:
    """Reads back what a home partition's last owner knew.

    Args:
        wall_ms: gives the wall clock, ms since 1970 UTC.
    """

    def __init__(self, settings: Settings, wall_ms: Callable[[], int]) -> None:
        self._settings = settings
        self._topics = Topics.of(settings)
        self._wall_ms = wall_ms

    async def recall(
        self, home: int, oldest_mark: int | None, first: int
    ) -> AsyncIterator[Record | Decision]:
        """Yields the records of the features topic from `oldest_mark` until `first`, then the
        decisions that matter to records from `first` on; each in the order of its log.

        Args:
            oldest_mark: offset of the oldest mark that still counted at `first`; None: not known.
            first: offset of the first record that will be processed.

        Raises:
            Unavailable: they cannot be read now; nothing of the home may be decided then.
        """
        try:
            async with reading(self._settings) as consumer:
                oldest = self._wall_ms()
                features = TopicPartition(self._topics.features, home)
                consumer.assign([features])
                consumer.seek(features, first if oldest_mark is None else oldest_mark)
                async for found in read_to_end(consumer, [features]):
                    if found.offset >= first:
                        oldest = min(oldest, found.timestamp)
                        break
                    place = found.topic, found.partition, found.offset
                    yield Record(*place, found.timestamp, found.key, found.value)
                decisions = TopicPartition(self._topics.decisions, home)
                consumer.assign([decisions])
                # A decision is published after its evidence, and a retired passage is remembered
                # for two windows and grace: what is older than that has no say.
                since = oldest - 2 * self._settings.window_ms - self._settings.grace_ms
                consumer.seek(decisions, await first_since(consumer, decisions, since))
                strangers = 0
                async for found in read_to_end(consumer, [decisions]):
                    if decision := our_decision(found, tell=strangers < TOLD):
                        yield decision
                    else:
                        strangers += 1
                if strangers > TOLD:
                    log.warning("... and %d more such records there", strangers - TOLD)
        except (KafkaError, BrokerUnreachable) as error:
            raise Unavailable(str(error) or type(error).__name__) from error


def our_decision(found: Any, *, tell: bool = True) -> Decision | None:
    """Returns the decision that a record holds; None where it is none of ours, with a warning
    unless not to `tell`."""
    try:
        decision = read_decision(found.value)
        if is_ours(decision):
            return decision
        reason = "its ids are not ours"
    except RecordError as error:
        reason = str(error)
    log.log(
        logging.WARNING if tell else logging.DEBUG,
        "%s[%d]@%d is no decision of ours and is passed over: %s",
        *(found.topic, found.partition, found.offset, reason),
    )
    return None
