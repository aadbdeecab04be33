"""Apache's own image, through Docker."""

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator

from support.kafka.class_path import kafka_version
from support.kafka.cluster import CLIENTS, CONTROLLER, HOST, free_ports, node_properties
from support.kafka.node import START_TIMEOUT, known_brokers

CONTROLLER_PORT = 9093


def docker_answers(timeout: float = 3.0) -> bool:
    """Returns whether a Docker engine is there and quick; a client without one may hang."""
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


@contextlib.contextmanager
def kafka_container() -> Iterator[str]:
    """Runs a node on the same port in- and outside, so that it can reach itself too."""
    from testcontainers.core.container import DockerContainer

    [port] = free_ports(1)  # ephemeral, so never the controller's
    address = f"{HOST}:{port}"
    controller = f"{HOST}:{CONTROLLER_PORT}"
    properties = node_properties(
        1,
        f"1@{controller}",
        {CLIENTS: f"{CLIENTS}://:{port}", CONTROLLER: f"{CONTROLLER}://{controller}"},
        {CLIENTS: "PLAINTEXT", CONTROLLER: "PLAINTEXT"},
        "/tmp/kraft-logs",
    ) | {"advertised.listeners": f"{CLIENTS}://{address}"}
    container = DockerContainer(f"apache/kafka:{kafka_version()}").with_bind_ports(port, port)
    for name, value in properties.items():
        container = container.with_env(f"KAFKA_{name.upper().replace('.', '_')}", value)
    with container:
        deadline = time.monotonic() + START_TIMEOUT
        while known_brokers(address) == 0:
            if time.monotonic() > deadline:
                raise RuntimeError(f"apache/kafka does not answer within {START_TIMEOUT:g} s")
            time.sleep(0.2)
        yield address
