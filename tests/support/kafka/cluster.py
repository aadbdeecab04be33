"""Several nodes that are one Kafka; with one node, the broker of most tests."""

import base64
import socket
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from support.kafka.node import KafkaNode

HOST = "127.0.0.1"
CLIENTS, CONTROLLER = "PLAINTEXT", "CONTROLLER"


class KafkaCluster:
    """Nodes that are brokers and controllers; a context, which kills them at its end.

    Every topic that does not say otherwise is on all nodes. With three, one may go.

    Args:
        class_path: see `support.kafka.class_path`.
        folder: for data, configuration and logs.
        nodes: 1 or 3.
        port: of the first node; 0: a free one.
        listeners: further ways in, as name and protocol, `{"SECURE": "SASL_SSL"}`; their
            addresses are `bootstrap_of(name)`. Plain text without a password is always there.
        properties: further lines of server.properties, for all nodes; they win over ours.
    """

    def __init__(
        self,
        class_path: str,
        folder: Path,
        nodes: int = 1,
        *,
        port: int = 0,
        listeners: Mapping[str, str] | None = None,
        properties: Mapping[str, str] | None = None,
    ) -> None:
        names = {CLIENTS: "PLAINTEXT", **(listeners or {}), CONTROLLER: "PLAINTEXT"}
        free = iter(free_ports(nodes * len(names)))
        self._ports = [{name: next(free) for name in names} for _ in range(nodes)]
        if port:
            self._ports[0][CLIENTS] = port
        self.nodes: list[KafkaNode] = []
        """In the order of their ids, which begin at 1."""
        for number, ports in enumerate(self._ports, 1):
            of_node = folder / f"node-{number}"
            lines = self._properties(number, names, of_node / "data") | dict(properties or {})
            self.nodes.append(KafkaNode(f"{HOST}:{ports[CLIENTS]}", lines, of_node, class_path))

    @property
    def bootstrap(self) -> str:
        """What clients connect to, without TLS or SASL."""
        return self.bootstrap_of(CLIENTS)

    def bootstrap_of(self, listener: str) -> str:
        """Returns what clients of that listener connect to, all nodes of it."""
        return ",".join(f"{HOST}:{ports[listener]}" for ports in self._ports)

    def start(self) -> None:
        """Lays out the data of all nodes, starts them and waits until they know each other."""
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        layouts = [(node, node.formatting(cluster_id)) for node in self.nodes]
        for node, layout in layouts:
            if layout.wait() != 0:
                raise RuntimeError(f"Kafka could not format its storage:\n{node.log_tail()}")
        try:
            for node in self.nodes:
                node.start()
            for node in self.nodes:
                node.wait_until_it_answers(len(self.nodes))
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """Kills all nodes."""
        for node in self.nodes:
            node.kill()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def _properties(self, number: int, names: Mapping[str, str], data: Path) -> dict[str, str]:
        ports = self._ports[number - 1]
        voters = ",".join(
            f"{n}@{HOST}:{of_node[CONTROLLER]}" for n, of_node in enumerate(self._ports, 1)
        )
        listeners = {name: f"{name}://{HOST}:{port}" for name, port in ports.items()}
        return node_properties(number, voters, listeners, names, str(data), len(self._ports))


def node_properties(
    number: int,
    voters: str,
    listeners: Mapping[str, str],
    protocols: Mapping[str, str],
    data: str,
    replicas: int = 1,
) -> dict[str, str]:
    """Returns the server.properties of one node.

    Args:
        number: the node's id.
        voters: all controllers.
        listeners: where it listens, by the listener's name.
        protocols: of each listener.
        data: its folder.
        replicas: of each topic, Kafka's own included.
    """
    in_sync = str(max(1, replicas - 1))
    for_clients = [url for name, url in listeners.items() if name != CONTROLLER]
    return {
        "process.roles": "broker,controller",
        "node.id": str(number),
        "controller.quorum.voters": voters,
        "controller.listener.names": CONTROLLER,
        "inter.broker.listener.name": CLIENTS,
        "listeners": ",".join(listeners.values()),
        "advertised.listeners": ",".join(for_clients),
        "listener.security.protocol.map": ",".join(f"{n}:{p}" for n, p in protocols.items()),
        "log.dirs": data,
        "num.partitions": "1",
        "default.replication.factor": str(replicas),
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": str(replicas),
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": str(replicas),
        "transaction.state.log.num.partitions": "4",
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.replication.factor": str(replicas),
        "share.coordinator.state.topic.min.isr": in_sync,
        # Each partition's index files are mapped at their full size, and tests make thousands.
        "log.index.size.max.bytes": "1048576",
        # The default of 3 s would delay each group's first join.
        "group.initial.rebalance.delay.ms": "0",
    }


def free_ports(count: int) -> list[int]:
    """Returns ports of the loopback interface on which nothing listens, all different."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind((HOST, 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()
