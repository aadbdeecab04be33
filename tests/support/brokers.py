"""A broker for every test that asks for one, one a run, and fresh topics for each test.

`support.broker_choice` says which. Tests that need what the embedded one lacks are marked
`real_kafka` and skipped on it.
"""

import os
import uuid
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from stream.kafka.embedded import EmbeddedBroker
from stream.kafka.topics import Topics, create_topics
from stream.settings import Settings
from support.broker_choice import VARIABLE, BrokerChoice, choose_broker
from support.kafka import NoKafka, class_path
from support.shared_broker import SharedBroker

CHOICE = pytest.StashKey[BrokerChoice]()
SHARED = pytest.StashKey[SharedBroker]()
LEFT_ALONE = {
    KafkaError.UNKNOWN_TOPIC_OR_PART,  # it is gone, and still shown for some 0.1 s
    KafkaError.GROUP_ID_NOT_FOUND,
    KafkaError.NON_EMPTY_GROUP,  # a member that was killed is in it until its session ends
}


# -- which one: the run's first process chooses, and tells those of pytest-xdist --------------


def pytest_configure(config: pytest.Config) -> None:
    told = getattr(config, "workerinput", None)
    if told is None:
        config.stash[CHOICE] = choose_broker()
        config.stash[SHARED] = SharedBroker.of_this_process()
    else:
        config.stash[CHOICE] = BrokerChoice(*told["broker_choice"])
        config.stash[SHARED] = SharedBroker(Path(told["broker_folder"]), told["broker_owner"])


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    choice, shared = node.config.stash[CHOICE], node.config.stash[SHARED]
    node.workerinput["broker_choice"] = (choice.kind, choice.reason)
    node.workerinput["broker_folder"] = str(shared.folder)
    node.workerinput["broker_owner"] = shared.owner


def pytest_report_header(config: pytest.Config) -> str:
    return f"broker: {config.stash[CHOICE].reason}"


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput") and (shared := config.stash.get(SHARED, None)):
        shared.close()


# -- what tests ask for -----------------------------------------------------------------------


@pytest.fixture(scope="session")
def broker_kind(pytestconfig: pytest.Config) -> str:
    """`environment`, `kafka-home`, `maven`, `docker` or `embedded`."""
    return pytestconfig.stash[CHOICE].kind


@pytest.fixture(scope="session")
def broker(
    broker_kind: str, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The bootstrap address of the run's broker."""
    if broker_kind == "environment":
        yield os.environ[VARIABLE]
    elif broker_kind == "embedded":
        # It starts in milliseconds: each process of the run has one of its own.
        log = tmp_path_factory.mktemp("broker") / "tansu.log"
        with EmbeddedBroker(log_path=log) as embedded:
            yield embedded.bootstrap
    else:
        yield pytestconfig.stash[SHARED].address(docker=broker_kind == "docker")


@pytest.fixture(autouse=True)
def _real_kafka_only(request: pytest.FixtureRequest) -> None:
    marked = request.node.get_closest_marker("real_kafka") is not None
    if marked and request.getfixturevalue("broker_kind") == "embedded":
        pytest.skip(
            "the embedded broker cannot do this; install Java 17 and Maven, start Docker,"
            f" or set {VARIABLE} or KAFKA_HOME"
        )


@pytest.fixture(scope="session")
def kafka_class_path() -> str:
    """What a `KafkaCluster` of a test's own needs; skips the test where there is no Kafka."""
    try:
        return class_path()
    except NoKafka as error:
        pytest.skip(f"{error}, so there is no Kafka cluster of the test's own")


@pytest.fixture
def own_broker() -> Iterator[EmbeddedBroker]:
    """An embedded broker for one test alone, which may suspend it."""
    with EmbeddedBroker() as broker:
        yield broker


@pytest.fixture
def settings(broker: str, broker_kind: str, tmp_path: Path) -> Iterator[Settings]:
    """Settings of a line of its own: no test sees another's topics or group."""
    line = f"t{uuid.uuid4().hex[:8]}"
    # The embedded one lets the first member of a group wait for half the session time-out, and
    # one that comes back for twice as long; clusters refuse less than 6 s.
    session = 2.0 if broker_kind == "embedded" else 6.0
    yield Settings(
        bootstrap_servers=broker,
        topic_prefix=f"{line}.",
        group=f"{line}-regrade",
        datadir=tmp_path / "data",
        session_timeout=session,
        request_timeout=15,
    )
    if broker_kind != "embedded":
        remove_all_of(line, broker)


@pytest.fixture
async def topics(settings: Settings) -> Topics:
    """The topics of `settings`, created; ask for both."""
    await create_topics(settings)
    return Topics.of(settings)


def remove_all_of(line: str, broker: str) -> None:
    """Removes the line's topics and those of its groups that have no members any more.

    Who lent us the broker shall not have to sweep, and thousands of partitions would slow it.
    """
    admin = AdminClient({"bootstrap.servers": broker, "log_level": 0})
    topics = [name for name in admin.list_topics(timeout=10).topics if name.startswith(line)]
    if topics:
        _settle(admin.delete_topics(topics))
    listed = admin.list_consumer_groups().result(10).valid
    groups = [group.group_id for group in listed if group.group_id.startswith(line)]
    if groups:
        _settle(admin.delete_consumer_groups(groups))


def _settle(removals: dict[str, Future[None]]) -> None:
    for removal in removals.values():
        try:
            removal.result(10)
        except KafkaException as error:
            if error.args[0].code() not in LEFT_ALONE:
                raise
