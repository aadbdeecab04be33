"""The topics: their names, how they are made, and whether they are as the line needs them."""

import asyncio
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Topics:
    """The names of all topics of one line (`schemas/README.md`).

    Attributes:
        prefix: put before every name, `plant1.line3.` for instance.
        modalities: the enabled ones; the others have no topic here.
        shadow: names the decide stage beside the line's that these are for, if any.
    """

    prefix: str = ""
    modalities: tuple[Modality, ...] = MODALITIES
    shadow: str = ""

    @classmethod
    def of(cls, settings: Settings) -> "Topics":
        return cls(settings.topic_prefix, settings.modalities, settings.shadow)

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
        return f"{self.prefix}routing.decisions{self.suffix}"

    @property
    def late(self) -> str:
        """Feature records that came after their passage had been retired."""
        return f"{self.prefix}units.late{self.suffix}"

    @property
    def dead_letter(self) -> str:
        """Records that could not be used."""
        return f"{self.prefix}units.dead-letter{self.suffix}"

    @property
    def suffix(self) -> str:
        """What the names of the topics end in to which the decide stage writes."""
        return f".shadow-{self.shadow}" if self.shadow else ""

    @property
    def decided(self) -> tuple[str, ...]:
        """Those to which the decide stage writes."""
        return (self.decisions, self.late, self.dead_letter)

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
    retention_ms: int | None = None
    """-1: for ever; None: the broker did not say."""
    max_message_bytes: int | None = None
    compacted: bool = False
    append_time: bool | None = None
    """Whether the broker stamps records with its own time."""


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


async def create_topics(
    settings: Settings, partitions: Mapping[str, int] | None = None
) -> tuple[str, ...]:
    """Make the topics that do not exist yet, and return their names; the others stay as they are.

    When it returns, every broker knows all of the topics.

    Args:
        partitions: the topics, and how many partitions each gets; None: all of the line.

    Raises:
        BrokerUnreachable: no broker answers.
        TopicError: the broker refused one, or does not show it in time.
    """
    topics = Topics.of(settings)
    if partitions is None:
        partitions = dict.fromkeys(topics.all, settings.partitions)
    wanted = [
        NewTopic(
            name,
            count,
            settings.replication_factor,
            topic_configs=_configuration(topics, name, settings),
        )
        for name, count in partitions.items()
    ]
    created = []
    admin = AIOKafkaAdminClient(**client_options(settings))
    try:
        async with connecting(settings.bootstrap_servers, settings.request_timeout):
            await admin.start()
            response = await admin.create_topics(wanted)
    finally:
        await admin.close()
    for name, code, message in response.topic_errors:
        error = for_code(code)
        if code == 0:
            created.append(name)
        elif error is not TopicAlreadyExistsError:
            raise TopicError(f"the broker refused to create {name}: {message or error.__name__}")
    await _visible(settings, partitions)
    return tuple(created)


async def check_topics(settings: Settings) -> TopicReport:
    """Compare the topics with what the line needs; changes nothing.

    Raises:
        BrokerUnreachable: no broker answers.
    """
    topics = Topics.of(settings)
    admin = AIOKafkaAdminClient(**client_options(settings))
    try:
        async with connecting(settings.bootstrap_servers, settings.request_timeout):
            await admin.start()
            # All of them: a broker may create a topic that is asked for by name.
            described = {topic["topic"]: topic for topic in await admin.describe_topics()}
            configs = await _configs(admin, [name for name in topics.all if name in described])
    finally:
        await admin.close()
    states = []
    for name in topics.all:
        partitions = described[name]["partitions"] if name in described else []
        config = configs.get(name, {})
        states.append(
            TopicState(
                name,
                len(partitions) or None,
                len(partitions[0]["replicas"]) if partitions else None,
                _number(config.get("retention.ms")),
                _number(config.get("max.message.bytes")),
                "compact" in config.get("cleanup.policy", ""),
                _append_time(config),
            )
        )
    return TopicReport(
        topics.features,
        tuple(states),
        tuple(_problems(states, topics)),
        tuple(_warnings(states, topics, settings)),
    )


def _configuration(topics: Topics, name: str, settings: Settings) -> dict[str, str]:
    configuration = {
        "cleanup.policy": "delete",
        "retention.ms": str(ms(_retention(topics, name, settings))),
        "max.message.bytes": str(topics.message_bytes(name, settings.limits)),
    }
    if name == topics.features:
        # The broker's time, by which a worker notices that its own clock is wrong.
        configuration["message.timestamp.type"] = "LogAppendTime"
    return configuration


async def _visible(settings: Settings, names: Collection[str]) -> None:
    """Wait until every broker shows the topics, which Kafka's do some 0.1 s after the creation.

    Asked earlier, one says that a topic does not exist, or answers a request for it by name with
    an error. A broker that does not answer is passed over: nobody is misled by it.
    """
    client = AIOKafkaClient(**client_options(settings))
    missing: set[str] = set()
    try:
        async with connecting(settings.bootstrap_servers):
            await client.bootstrap()
        async with asyncio.timeout(settings.request_timeout):
            for broker in client.cluster.brokers():
                while True:
                    missing = set(names) - await _shown_by(client, broker.nodeId, names)
                    if not missing:
                        break
                    await asyncio.sleep(VISIBLE_POLL_SECONDS)
    except TimeoutError as error:
        if not missing:
            return  # the brokers that answered show them all; one hangs
        raise TopicError(
            f"{_listed(sorted(missing))} {'is' if len(missing) == 1 else 'are'} not shown by the"
            f" broker within {settings.request_timeout:g} s of being created; look at its log,"
            " then `regrade topics check`"
        ) from error
    finally:
        await client.close()


async def _shown_by(client: AIOKafkaClient, node: int, names: Collection[str]) -> set[str]:
    """The topics of which the broker shows partitions; all of `names` where it does not answer."""
    try:
        # All topics: a broker may create one that is asked for by name.
        metadata = await client.send(node, MetadataRequest(None))
    except KafkaError as error:
        log.info("Broker %s does not answer: %r", node, error)
        return set(names)
    return {topic["topic"] for topic in metadata.to_object()["topics"] if topic["partitions"]}


def _problems(states: list[TopicState], topics: Topics) -> list[TopicError]:
    problems: list[TopicError] = []
    if missing := [state.name for state in states if state.partitions is None]:
        problems.append(
            MissingTopicError(
                f"{_listed(missing)} {'does' if len(missing) == 1 else 'do'} not exist;"
                " `regrade topics create` makes what is missing"
            )
        )
    counts = {s.name: s.partitions for s in states if s.name in topics.homes and s.partitions}
    if len(set(counts.values())) > 1:
        found = " and ".join(f"{name} has {count}" for name, count in counts.items())
        problems.append(
            CoPartitionError(
                f"features and decisions must have the same number of partitions, but {found};"
                " delete the one that is wrong, then `regrade topics create`"
            )
        )
    return problems


def _warnings(states: list[TopicState], topics: Topics, settings: Settings) -> list[str]:
    warnings = []
    for state in states:
        needed = topics.message_bytes(state.name, settings.limits)
        if state.max_message_bytes is not None and state.max_message_bytes < needed:
            warnings.append(
                f"{state.name} takes messages of {state.max_message_bytes} bytes,"
                f" less than the {needed} that limits.record_bytes needs; raise max.message.bytes"
            )
        horizon = ms(settings.window + settings.grace)
        if state.retention_ms is not None and 0 <= state.retention_ms < horizon:
            warnings.append(
                f"{state.name} keeps records for {state.retention_ms} ms, less than window and"
                f" grace ({horizon} ms); raise retention.ms"
            )
        if state.compacted:
            warnings.append(
                f"{state.name} is compacted: of several records with one key all but the last"
                " vanish, and the broker refuses records without a key; set cleanup.policy=delete"
            )
        if state.name == topics.features and state.append_time is False:
            warnings.append(
                f"{state.name} keeps its producers' timestamps, so that no worker can notice that"
                " its own clock is wrong; set message.timestamp.type=LogAppendTime"
            )
    return warnings


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
        name: {entry[0]: entry[1] for entry in entries}
        for response in responses
        for code, _, _, name, entries in response.resources
        if code == 0
    }


def _retention(topics: Topics, name: str, settings: Settings) -> float:
    if name == topics.decisions:
        return settings.decisions_retention
    if name in (topics.late, topics.dead_letter):
        return settings.dead_letter_retention
    return settings.retention


def _append_time(config: dict[str, str]) -> bool | None:
    kind = config.get("message.timestamp.type")
    return None if kind is None else kind == "LogAppendTime"


def _number(value: str | None) -> int | None:
    return None if value is None else int(value)


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
