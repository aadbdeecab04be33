"""Which broker a test run uses, and why; the first line of pytest's report says it."""

import os
from dataclasses import dataclass
from typing import Literal

from support.kafka.class_path import NoKafka, class_path, kafka_version
from support.kafka.container import docker_answers

VARIABLE = "REGRADE_TEST_BROKER"
Kind = Literal["environment", "kafka-home", "maven", "docker", "embedded"]


@dataclass(frozen=True)
class BrokerChoice:
    """A kind of broker, and the reason for it in words."""

    kind: Kind
    reason: str


def choose_broker() -> BrokerChoice:
    """Returns the first that there is: the one named, a genuine Kafka, else the embedded one.

    May fetch Apache Kafka with Maven, once a version. A KAFKA_HOME that is none is not passed
    over: whoever set it meant it.
    """
    named = os.environ.get(VARIABLE)
    if named == "embedded":
        return BrokerChoice("embedded", f"the embedded broker, as {VARIABLE} says")
    if named:
        return BrokerChoice("environment", f"the Kafka at {named}, as {VARIABLE} says")
    if home := os.environ.get("KAFKA_HOME"):
        return BrokerChoice("kafka-home", f"a genuine Kafka, started from KAFKA_HOME={home}")
    try:
        class_path()
    except NoKafka as error:
        without_maven = str(error)
    else:
        return BrokerChoice("maven", f"a genuine Kafka {kafka_version()}, fetched with Maven")
    if docker_answers():
        return BrokerChoice("docker", f"a genuine Kafka {kafka_version()} in Docker")
    return BrokerChoice(
        "embedded", f"the embedded broker, not a genuine Kafka: {without_maven}, and no Docker"
    )
