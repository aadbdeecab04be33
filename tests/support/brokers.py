"""A real broker for every test that asks for one, one a session, and fresh topics for each test.

Found in this order: REGRADE_TEST_BROKER=host:port; KAFKA_HOME, an Apache Kafka distribution, of
which a single node is started in KRaft mode; Docker through testcontainers; else the embedded
broker. Tests that need what the embedded one lacks are marked `real_kafka` and skipped on it.
"""

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream.errors import BrokerUnreachable
from stream.kafka.embedded import EmbeddedBroker
from stream.kafka.topics import Topics, check_topics, create_topics
from stream.settings import Settings

APACHE_KAFKA_IMAGE = "apache/kafka:4.0.0"


@pytest.fixture(scope="session")
def broker_kind() -> str:
    """`environment`, `kafka-home`, `docker` or `embedded`."""
    if os.environ.get("REGRADE_TEST_BROKER"):
        return "environment"
    if os.environ.get("KAFKA_HOME"):
        return "kafka-home"
    return "docker" if docker_answers() else "embedded"


@pytest.fixture(scope="session")
def broker(broker_kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The bootstrap address of the session's broker."""
    with contextlib.ExitStack() as stack:
        if broker_kind == "environment":
            bootstrap = os.environ["REGRADE_TEST_BROKER"]
        elif broker_kind == "kafka-home":
            folder = tmp_path_factory.mktemp("kafka")
            bootstrap = stack.enter_context(kafka_node(Path(os.environ["KAFKA_HOME"]), folder))
        elif broker_kind == "docker":
            bootstrap = stack.enter_context(kafka_container())
        else:
            log = tmp_path_factory.mktemp("broker") / "tansu.log"
            bootstrap = stack.enter_context(EmbeddedBroker(log_path=log)).bootstrap
        yield bootstrap


@pytest.fixture(autouse=True)
def _real_kafka_only(request: pytest.FixtureRequest) -> None:
    marked = request.node.get_closest_marker("real_kafka") is not None
    if marked and request.getfixturevalue("broker_kind") == "embedded":
        pytest.skip(
            "the embedded broker cannot do this;"
            " set REGRADE_TEST_BROKER or KAFKA_HOME, or start Docker"
        )


@pytest.fixture
def own_broker() -> Iterator[EmbeddedBroker]:
    """An embedded broker for one test alone, which may suspend it."""
    with EmbeddedBroker() as broker:
        yield broker


@pytest.fixture
def settings(broker: str, broker_kind: str, tmp_path: Path) -> Settings:
    """Settings of a line of its own: no test sees another's topics or group."""
    line = f"t{uuid.uuid4().hex[:8]}"
    # The embedded one lets the first member of a group wait for half the session time-out, and
    # one that comes back for twice as long; clusters refuse less than 6 s.
    session = 2.0 if broker_kind == "embedded" else 6.0
    return Settings(
        bootstrap_servers=broker,
        topic_prefix=f"{line}.",
        group=f"{line}-regrade",
        datadir=tmp_path / "data",
        session_timeout=session,
        request_timeout=15,
    )


@pytest.fixture
async def topics(settings: Settings) -> Topics:
    """The topics of `settings`, created; ask for both."""
    await create_topics(settings)
    return Topics.of(settings)


def docker_answers(timeout: float = 3.0) -> bool:
    """Whether a Docker engine is there and quick; a client without one can hang for minutes."""
    docker = shutil.which("docker")
    if docker is None:
        return False
    try:
        done = subprocess.run(
            [docker, "info", "--format", "{{.ServerVersion}}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=timeout,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def node_properties(listener: str, advertised: str, controller: int, logs: str) -> dict[str, str]:
    """A single KRaft node, broker and controller in one, that shares nothing with another."""
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{listener},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://{advertised}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": logs,
        "num.partitions": "1",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.num.partitions": "4",
        "transaction.state.log.min.isr": "1",
        # The default of 3 s would delay each group's first join.
        "group.initial.rebalance.delay.ms": "0",
    }


@contextlib.contextmanager
def kafka_node(home: Path, folder: Path) -> Iterator[str]:
    """A node of the distribution in `home`, with its data in `folder`."""
    port, controller = free_port(), free_port()
    address = f"127.0.0.1:{port}"
    properties = node_properties(address, address, controller, str(folder / "data"))
    config = folder / "server.properties"
    config.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
    environment = os.environ | {
        "LOG_DIR": str(folder / "logs"),
        "KAFKA_HEAP_OPTS": "-Xms256m -Xmx512m",
    }
    cluster = subprocess.run(
        [home / "bin" / "kafka-storage.sh", "random-uuid"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    subprocess.run(
        [home / "bin" / "kafka-storage.sh", "format", "-t", cluster, "-c", config],
        env=environment,
        capture_output=True,
        check=True,
    )
    with (folder / "stdout.log").open("wb") as log:
        node = subprocess.Popen(
            [home / "bin" / "kafka-server-start.sh", config],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until_it_answers(address, node)
        yield address
    finally:
        node.terminate()
        try:
            node.wait(15)
        except subprocess.TimeoutExpired:
            node.kill()
            node.wait()


@contextlib.contextmanager
def kafka_container() -> Iterator[str]:
    """Apache's own image, on the same port in- and outside, so that it can reach itself too."""
    from testcontainers.core.container import DockerContainer

    port = free_port()  # ephemeral, so never the controller's 9093
    address = f"127.0.0.1:{port}"
    properties = node_properties(f"0.0.0.0:{port}", address, 9093, "/tmp/kraft-logs")
    container = DockerContainer(APACHE_KAFKA_IMAGE).with_bind_ports(port, port)
    for name, value in properties.items():
        container = container.with_env(f"KAFKA_{name.upper().replace('.', '_')}", value)
    with container:
        wait_until_it_answers(address)
        yield address


def wait_until_it_answers(
    bootstrap: str, process: "subprocess.Popen[bytes] | None" = None, timeout: float = 90
) -> None:
    """Until a metadata request is answered, as a client would send it."""
    settings = Settings(bootstrap_servers=bootstrap, request_timeout=5)
    deadline = time.monotonic() + timeout
    while True:
        try:
            asyncio.run(check_topics(settings))
            return
        except BrokerUnreachable:
            if process is not None and process.poll() is not None:
                raise RuntimeError("Kafka ended at once; see stdout.log in its folder") from None
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
