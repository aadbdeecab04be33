"""The topics: their names, how they are made, and whether they are as the line needs them."""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code
from aiokafka.protocol.metadata import MetadataRequest

from schemas.limits import Limits
from schemas.modality import MODALITIES, Modality
from stream.errors import CoPartitionError, MissingTopicError, TopicError
from stream.kafka.connection import client_options, connecting
from stream.settings import Settings, ms

log = logging.getLogger(__name__)

KEY_AND_OVERHEAD_BYTES = 64 * 1024
"""Room beside the value: key, headers, the batch's own."""
REDIRECT_BYTES = 64 * 1024
"""Room for the headers that a dead letter adds to the record it keeps byte for byte."""

VISIBLE_POLL_SECONDS = 0.05

CLEANUP, RETENTION, LARGEST = "cleanup.policy", "retention.ms", "max.message.bytes"
TIMESTAMP, APPEND = "message.timestamp.type", "LogAppendTime"
CONFIGURED = (CLEANUP, RETENTION, LARGEST, TIMESTAMP)


@dataclass(frozen=True, slots=True)
class Topics:
    """The names of all topics of one line (`schemas/README.md`).

    Attributes:
        prefix: put before every name, `plant1.line3.` for instance.
        modalities: the enabled ones; the others have no topic here.
    """

    prefix: str = ""
    modalities: tuple[Modality, ...] = MODALITIES

    @classmethod
    def of(cls, settings: Settings) -> "Topics":
        return cls(settings.topic_prefix, settings.modalities)

    def observation(self, modality: Modality) -> str:
        """Where stations of this modality publish."""
        return f"{self.prefix}units.{modality.value}"

    @property
    def features(self) -> str:
        """Feature records and marks: what passes from the extract to the decide stage."""
        return f"{self.prefix}units.features"

    @property
    def decisions(self) -> str:
        """What the MES reads, and the decide stage's own log."""
        return f"{self.prefix}routing.decisions"

    @property
    def late(self) -> str:
        """Feature records that came after their passage had been retired."""
        return f"{self.prefix}units.late"

    @property
    def dead_letter(self) -> str:
        """Records that could not be used."""
        return f"{self.prefix}units.dead-letter"

    @property
    def observations(self) -> tuple[str, ...]:
        return tuple(self.observation(modality) for modality in self.modalities)

    @property
    def homes(self) -> tuple[str, ...]:
        """Those that MUST have the same number of partitions, H."""
        return (self.features, self.decisions)

    @property
    def all(self) -> tuple[str, ...]:
        return (*self.observations, *self.homes, self.late, self.dead_letter)

    def modality_of(self, topic: str) -> Modality | None:
        """The modality that an observation topic is for; None for every other topic."""
        for modality in self.modalities:
            if topic == self.observation(modality):
                return modality
        return None

    def message_bytes(self, topic: str, limits: Limits) -> int:
        """The `max.message.bytes` with which whatever belongs on the topic fits."""
        size = limits.record_bytes + KEY_AND_OVERHEAD_BYTES
        # What a modality's topic let in must get out again, with more headers than it came with.
        return size if topic in self.observations else size + REDIRECT_BYTES


@dataclass(frozen=True, slots=True)
class TopicState:
    """One topic as the broker has it."""

    name: str
    partitions: int | None
    """None: it does not exist."""
    replication_factor: int | None = None
    config: Mapping[str, str] = field(default_factory=dict)
    """Of its configuration what `create_topics` sets; empty where the broker does not say."""


@dataclass(frozen=True, slots=True)
class TopicReport:
    """What `check_topics` found."""

    features: str
    """The name of the features topic."""
    topics: tuple[TopicState, ...]
    problems: tuple[TopicError, ...]
    """With any of these a worker must not start."""
    warnings: tuple[str, ...]
    """What will hurt later."""

    @property
    def ok(self) -> bool:
        return not self.problems

    @property
    def homes(self) -> int:
        """Returns H, the partition count that features and decisions share.

        Raises:
            TopicError: the topics are not as the line needs them; the first problem.
        """
        if self.problems:
            raise self.problems[0]
        counts = {state.name: state.partitions for state in self.topics}
        homes = counts[self.features]
        assert homes is not None, "no problem means that the topic exists"
        return homes


async def create_topics(settings: Settings) -> tuple[str, ...]:
    """Makes the topics that do not exist yet, and returns their names; the others stay as they are.

    When it returns, every broker knows all of the topics.

    Raises:
        BrokerUnreachable: no broker answers.
        TopicError: the broker refused one, or does not show it in time.
    """
    topics = Topics.of(settings)
    wanted = [
        NewTopic(
            name,
            settings.partitions,
            settings.replication_factor,
            topic_configs=_configuration(topics, name, settings),
        )
        for name in topics.all
    ]
    created = []
    async with _admin(settings) as admin:
        async with connecting(settings.bootstrap_servers, settings.request_timeout):
            response = await admin.create_topics(wanted)
        for name, code, message in response.topic_errors:
            error = for_code(code)
            if code == 0:
                created.append(name)
            elif error is not TopicAlreadyExistsError:
                reason = message or error.__name__
                raise TopicError(f"the broker refused to create {name}: {reason}")
        await _until_shown(admin._client, set(topics.all), settings.request_timeout)
    return tuple(created)


async def check_topics(settings: Settings) -> TopicReport:
    """Compares the topics with what the line needs; changes nothing.

    Raises:
        BrokerUnreachable: no broker answers.
    """
    topics = Topics.of(settings)
    async with (
        _admin(settings) as admin,
        connecting(settings.bootstrap_servers, settings.request_timeout),
    ):
        # All of them: a broker may create a topic that is asked for by name.
        described = {topic["topic"]: topic["partitions"] for topic in await admin.describe_topics()}
        configs = await _configs(admin, [name for name in topics.all if name in described])
    states = [
        TopicState(
            name,
            len(partitions) or None,
            len(partitions[0]["replicas"]) if partitions else None,
            configs.get(name, {}),
        )
        for name in topics.all
        for partitions in [described.get(name, [])]
    ]
    return TopicReport(
        topics.features,
        tuple(states),
        tuple(_problems(states, topics)),
        tuple(warning for state in states for warning in _warnings(state, topics, settings)),
    )


@asynccontextmanager
async def _admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**client_options(settings))
    try:
        async with connecting(settings.bootstrap_servers, settings.request_timeout):
            await admin.start()
        yield admin
    finally:
        await admin.close()


def _configuration(topics: Topics, name: str, settings: Settings) -> dict[str, str]:
    retention = {
        topics.decisions: settings.decisions_retention,
        topics.late: settings.dead_letter_retention,
        topics.dead_letter: settings.dead_letter_retention,
    }
    configuration = {
        CLEANUP: "delete",
        RETENTION: str(ms(retention.get(name, settings.retention))),
        LARGEST: str(topics.message_bytes(name, settings.limits)),
    }
    if name == topics.features:
        # The broker's time, by which a worker notices that its own clock is wrong.
        configuration[TIMESTAMP] = APPEND
    return configuration


async def _until_shown(client: AIOKafkaClient, names: set[str], within: float) -> None:
    """Waits until every broker shows the topics, which Kafka's do some 0.1 s after the creation.

    Asked earlier, one says that a topic does not exist, or answers a request for it by name with
    an error. A broker that does not answer is passed over: nobody is misled by it.
    """
    missing: set[str] = set()
    try:
        async with asyncio.timeout(within):
            for broker in client.cluster.brokers():
                with suppress(KafkaError):
                    while missing := names - await _shown_by(client, broker.nodeId):  # noqa: ASYNC110
                        await asyncio.sleep(VISIBLE_POLL_SECONDS)
    except TimeoutError as error:
        if missing:  # else the brokers that answered show them all
            raise TopicError(
                f"the broker does not show {_listed(missing)} within {within:g} s of creation;"
                " look at its log, then `regrade topics check`"
            ) from error


async def _shown_by(client: AIOKafkaClient, node: int) -> set[str]:
    # All topics: a broker may create one that is asked for by name.
    metadata = await client.send(node, MetadataRequest(None))
    return {topic["topic"] for topic in metadata.to_object()["topics"] if topic["partitions"]}


def _problems(states: list[TopicState], topics: Topics) -> Iterator[TopicError]:
    if missing := {state.name for state in states if state.partitions is None}:
        yield MissingTopicError(
            f"there is no {_listed(missing)}; `regrade topics create` makes what is missing"
        )
    counts = {s.name: s.partitions for s in states if s.name in topics.homes and s.partitions}
    if len(set(counts.values())) > 1:
        found = " and ".join(f"{name} has {count}" for name, count in counts.items())
        yield CoPartitionError(
            f"features and decisions must have the same number of partitions, but {found};"
            " delete the one that is wrong, then `regrade topics create`"
        )


def _warnings(state: TopicState, topics: Topics, settings: Settings) -> Iterator[str]:
    name, config = state.name, state.config
    needed = topics.message_bytes(name, settings.limits)
    if (largest := int(config.get(LARGEST, needed))) < needed:
        yield (
            f"{name} takes messages of {largest} bytes, less than the {needed} that"
            f" limits.record_bytes needs; raise {LARGEST}"
        )
    horizon = ms(settings.window + settings.grace)
    if 0 <= (kept := int(config.get(RETENTION, -1))) < horizon:
        yield (
            f"{name} keeps records for {kept} ms, less than window and grace ({horizon} ms);"
            f" raise {RETENTION}"
        )
    if "compact" in config.get(CLEANUP, ""):
        yield (
            f"{name} is compacted: of several records with one key all but the last vanish, and"
            f" the broker refuses records without a key; set {CLEANUP}=delete"
        )
    if name == topics.features and config.get(TIMESTAMP, APPEND) != APPEND:
        yield (
            f"{name} keeps its producers' timestamps, so that no worker can notice that its own"
            f" clock is wrong; set {TIMESTAMP}={APPEND}"
        )


async def _configs(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    """Each topic's configuration; empty where the broker (or its access rules) will not tell."""
    if not names:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    try:
        responses = await admin.describe_configs(resources)
    except KafkaError as error:
        log.info("The broker does not tell its topics' configuration: %r", error)
        return {}
    return {
        name: {entry[0]: entry[1] for entry in entries if entry[0] in CONFIGURED}
        for response in responses
        for code, _, _, name, entries in response.resources
        if code == 0
    }


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names))
