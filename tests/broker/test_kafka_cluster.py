"""A Kafka of the test's own: nodes that die and come back, passwords, access rules, sweeping."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)
from pydantic import SecretStr
from support.brokers import remove_all_of
from support.kafka import KafkaCluster
from support.topic_tail import TopicTail

from schemas.observation import Text
from stream.clients.station import Station
from stream.errors import BrokerUnreachable, DeliveryError
from stream.kafka.topics import Topics, check_topics, create_topics
from stream.settings import Settings

pytestmark = pytest.mark.timeout(90)

NOTE = Text("hinge worn", "en")
LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule"

LOOK = AclBinding(
    ResourceType.TOPIC,
    "*",
    ResourcePatternType.LITERAL,
    "User:desk",
    "*",
    AclOperation.DESCRIBE,
    AclPermissionType.ALLOW,
)


async def until(condition: Callable[[], bool], within: float = 20) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def test_one_of_three_nodes_may_die_and_comes_back_with_its_data(
    kafka_class_path: str, tmp_path: Path
) -> None:
    with KafkaCluster(kafka_class_path, tmp_path, nodes=3) as cluster:
        settings = Settings(
            bootstrap_servers=cluster.bootstrap, replication_factor=3, request_timeout=30
        )
        await create_topics(settings)
        async with Station(source="bench", settings=settings) as station:
            await station.publish("U-1", NOTE)
            cluster.nodes[0].kill()
            assert not cluster.nodes[0].running
            for number in range(2, 8):  # to whichever node leads the partition
                await station.publish(f"U-{number}", NOTE)
        cluster.nodes[0].start()
        cluster.nodes[0].wait_until_it_answers(brokers=3)
        back = settings.model_copy(update={"bootstrap_servers": cluster.nodes[0].address})
        assert (await check_topics(back)).ok
        async with TopicTail(back, "units.text") as notes:
            await until(lambda: len(notes.records) >= 7)
        assert {r.key for r in notes.records} == {f"U-{n}".encode() for n in range(1, 8)}


@pytest.fixture
def guarded(kafka_class_path: str, tmp_path: Path) -> Iterator[Settings]:
    """A cluster whose `desk` has a password and may look, but not write."""
    properties = {
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.guarded.plain.sasl.jaas.config": f'{LOGIN} required user_desk="open";',
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
    }
    listeners = {"GUARDED": "SASL_PLAINTEXT"}
    with KafkaCluster(
        kafka_class_path, tmp_path, listeners=listeners, properties=properties
    ) as cluster:
        asyncio.run(create_topics(Settings(bootstrap_servers=cluster.bootstrap)))
        admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
        for granted in admin.create_acls([LOOK]).values():
            granted.result(10)
        yield Settings(
            bootstrap_servers=cluster.bootstrap_of("GUARDED"),
            security_protocol="SASL_PLAINTEXT",
            sasl_mechanism="PLAIN",
            sasl_username="desk",
            sasl_password=SecretStr("open"),
            request_timeout=5,
        )


async def test_wrong_password_and_missing_right_are_named(guarded: Settings) -> None:
    wrong = guarded.model_copy(update={"sasl_password": SecretStr("shut")})
    with pytest.raises(BrokerUnreachable, match=r"refused our credentials .*sasl_password"):
        await check_topics(wrong)
    while not (await check_topics(guarded)).ok:  # a right takes effect some ms later
        continue
    async with Station(source="desk", settings=guarded) as station:
        with pytest.raises(DeliveryError, match="access"):
            await station.publish("U-1", NOTE)


@pytest.mark.real_kafka
async def test_a_line_is_swept_and_no_other(settings: Settings, topics: Topics) -> None:
    line = settings.topic_prefix.rstrip(".")
    other = settings.model_copy(update={"topic_prefix": f"x{line}."})
    await create_topics(other)
    await asyncio.to_thread(remove_all_of, line, settings.bootstrap_servers)
    while {state.partitions for state in (await check_topics(settings)).topics} != {None}:
        continue  # it is shown for some ms longer
    assert (await check_topics(other)).ok
    await asyncio.to_thread(remove_all_of, f"x{line}", settings.bootstrap_servers)
