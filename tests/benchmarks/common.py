"""What the benchmarks on a genuine Kafka share: a broker, a line, units to send, worker processes.

Payloads are the simulator's, a few hundred of each modality, sent again and again under other
unit_ids: making them takes far longer than what is measured.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import Producer
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)
from support.brokers import remove_all_of
from support.kafka import KafkaCluster, class_path
from support.worker_process import environment

from agents.lab.simulator import simulate_unit
from schemas import avro
from schemas.modality import MODALITIES, Modality
from schemas.payload_write import write_payload
from stream.kafka.partitioner import home_partition
from stream.kafka.topics import Topics
from stream.settings import Settings

HERE = Path(__file__).parents[2]
TICKS = os.sysconf("SC_CLK_TCK")

# Both end with the benchmark, should it be killed (PR_SET_PDEATHSIG is 1).
_LEASH = "import ctypes, signal; ctypes.CDLL(None).prctl(1, signal.SIGKILL)\n"
_WORKER = f"""{_LEASH}
import sys
from stream.settings import Settings
from stream.worker import run_worker
stages = sys.argv[1:]
sys.exit(run_worker(Settings.load(), *([stages] if stages else [])))
"""
_TOPICS = """
import sys
from stream.cli import main
sys.argv = ["regrade", "topics", "create"]
sys.exit(main())
"""


@contextlib.contextmanager
def open_broker(bootstrap: str | None) -> Iterator[str]:
    """Gives the address of a broker: the one that is named, else one for this benchmark alone."""
    if bootstrap:
        yield bootstrap
        return
    with (
        tempfile.TemporaryDirectory(prefix="regrade-bench-", ignore_cleanup_errors=True) as folder,
        KafkaCluster(class_path(), Path(folder)) as cluster,
    ):
        yield cluster.bootstrap


def wall_ms() -> int:
    """Returns the wall clock, ms since 1970 UTC."""
    return time.time_ns() // 1_000_000


class Line:
    """A line of its own on a broker; a context, which removes its topics.

    The broker stamps all records with its own time, so that they tell when each stage was done.

    Args:
        checkout: whose code makes the topics and runs the workers.
    """

    def __init__(self, bootstrap: str, checkout: Path = HERE, **settings: Any) -> None:
        name = f"b{uuid.uuid4().hex[:8]}"
        self._folder = tempfile.TemporaryDirectory(prefix="regrade-bench-")
        self.folder = Path(self._folder.name)
        self.checkout = checkout
        self.settings = Settings(
            bootstrap_servers=bootstrap,
            topic_prefix=f"{name}.",
            group=f"{name}-regrade",
            datadir=self.folder / "data",
            **settings,
        )
        self.topics = Topics.of(self.settings)
        self.workers: list[Worker] = []

    def __enter__(self) -> "Line":
        with (self.folder / "topics.log").open("wb") as log:
            code = self.python("-c", _TOPICS, log=log).wait()
        if code:
            raise RuntimeError((self.folder / "topics.log").read_text())
        time.sleep(1)  # not every checkout waits until the topics can be seen
        # Topics that only another checkout's line has keep the time that producers give.
        self.stamp([topic for topic in self.topics.all if topic in self._existing()])
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            worker.kill()
        remove_all_of(self.settings.topic_prefix.rstrip("."), self.settings.bootstrap_servers)
        self._folder.cleanup()

    def _existing(self) -> set[str]:
        return set(self.admin().list_topics(timeout=10).topics)

    def admin(self) -> AdminClient:
        """Returns a client that makes and alters topics."""
        return AdminClient({"bootstrap.servers": self.settings.bootstrap_servers})

    def make(self, topic: str) -> None:
        """Makes a topic with as many partitions as the line's own have, stamped like them."""
        admin = self.admin()
        for done in admin.create_topics([NewTopic(topic, self.settings.partitions, 1)]).values():
            done.result(10)
        self.stamp([topic])

    def stamp(self, topics: Sequence[str]) -> None:
        """Has the broker stamp the records of these topics with its own time."""
        own_time = ConfigEntry(
            "message.timestamp.type",
            "LogAppendTime",
            incremental_operation=AlterConfigOpType.SET,
        )
        resources = [
            ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[own_time])
            for topic in topics
        ]
        admin = self.admin()  # which must live until it has answered
        for done in admin.incremental_alter_configs(resources).values():
            done.result(10)

    def start(self, *stages: str, **settings: Any) -> "Worker":
        """Starts a worker process, of both stages where none is named."""
        worker = Worker(self, len(self.workers) + 1, stages, settings)
        self.workers.append(worker)
        return worker

    def python(
        self, *arguments: str, log: Any = None, **settings: Any
    ) -> "subprocess.Popen[bytes]":
        """Starts a Python process that sees this line's settings and its checkout's code."""
        changed = self.settings.model_copy(update=settings)
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.checkout,
            env=environment(changed) | {"PYTHONPATH": str(self.checkout)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT if log else None,
            process_group=0,
        )


class Worker:
    """One worker process and its log."""

    def __init__(
        self, line: Line, number: int, stages: Sequence[str], settings: dict[str, Any]
    ) -> None:
        self.name = f"worker-{number}"
        self._log_path = line.folder / f"{self.name}.log"
        settings = {"datadir": line.folder / self.name, **settings}
        with self._log_path.open("ab") as log:
            self.process = line.python("-c", _WORKER, *stages, log=log, **settings)

    @property
    def log(self) -> str:
        return self._log_path.read_text("utf-8", "replace")

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def wait_for(self, text: str, within: float = 90, times: int = 1) -> float:
        """Waits until its log holds the text so often; returns the time, seconds since 1970."""
        deadline = time.monotonic() + within
        while self.log.count(text) < times:
            if not self.running or time.monotonic() > deadline:
                raise RuntimeError(f"{self.name}: no {text!r} in its log:\n{self.log[-4000:]}")
            time.sleep(0.01)
        return time.time()

    def cpu(self) -> float:
        """Returns the CPU seconds that it has used, of all its processes and threads."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        used = 0
        for each in (pid, *children):
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            used += int(fields[11]) + int(fields[12])
        return used / TICKS

    def kill(self) -> None:
        if self.running:
            os.killpg(self.process.pid, signal.SIGKILL)  # the processes of its stages too
            self.process.wait()


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit that is sent: its id, its home partition, which payloads it has."""

    number: int
    unit_id: str
    home: int


class Units:
    """Units whose home partitions take turns, and the records of their observations.

    Args:
        distinct: how many units are simulated.
        homes: H.
    """

    def __init__(self, distinct: int = 300, homes: int = 6) -> None:
        self._payloads = {
            modality: [
                write_payload(simulate_unit(7, index).payload(modality))
                for index in range(distinct)
            ]
            for modality in MODALITIES
        }
        self._distinct = distinct
        self._homes = homes
        self._made = 0
        self._candidates = 0
        self._spare: list[deque[str]] = [deque() for _ in range(homes)]

    def __iter__(self) -> Iterator[Unit]:
        while True:
            yield self.next()

    def next(self) -> Unit:
        """Returns a unit that has not been there yet."""
        number = self._made
        home = number % self._homes
        while not self._spare[home]:
            unit_id = f"LT-{self._candidates:07d}"
            self._candidates += 1
            self._spare[home_partition(unit_id, self._homes)].append(unit_id)
        self._made += 1
        return Unit(number, self._spare[home].popleft(), home)

    def value(self, unit: Unit, modality: Modality, captured_at: int) -> bytes:
        """Returns the record's value of one observation."""
        head = {
            "unit_id": unit.unit_id,
            "observation_id": f"{unit.unit_id}-{modality}",
            "captured_at": captured_at,
            "source": f"{modality}-1",
        }
        payload = self._payloads[modality][unit.number % self._distinct]
        return avro.write({**head, **payload}, modality)


class Stations:
    """Sends observations through librdkafka, each at its unit's home partition."""

    def __init__(self, line: Line, units: Units) -> None:
        self._topics = line.topics
        self._units = units
        self._failures: list[Any] = []
        self._producer = Producer(
            {
                "bootstrap.servers": line.settings.bootstrap_servers,
                "linger.ms": 0,
                "queue.buffering.max.messages": 1_000_000,
                "queue.buffering.max.kbytes": 1_000_000,
                "message.max.bytes": 8 * 1024 * 1024,
            }
        )

    def send(self, unit: Unit, modality: Modality, captured_at: int) -> None:
        """Hands one observation to the producer."""
        self._producer.produce(
            self._topics.observation(modality),
            self._units.value(unit, modality, captured_at),
            unit.unit_id.encode(),
            unit.home,
            on_delivery=self._report,
        )
        self._producer.poll(0)

    def raw(self, topic: str, value: bytes, partition: int = 0) -> None:
        """Hands any record to the producer."""
        self._producer.produce(topic, value, None, partition, on_delivery=self._report)
        self._producer.poll(0)

    def send_backlog(self, units: int, rate: float) -> list[Unit]:
        """Sends complete units that were seen at `rate` a second until now; in order of time."""
        sent = [self._units.next() for _ in range(units)]
        began = wall_ms() - 1000 * units / rate - 3000
        for place, unit in enumerate(sent):
            at = round(began + 1000 * place / rate)
            for step, modality in enumerate(MODALITIES):
                self.send(unit, modality, at + 300 * step)
        self.flush()
        return sent

    def flush(self) -> None:
        """Waits until all is on the broker."""
        left = self._producer.flush(120)
        if left or self._failures:
            raise RuntimeError(f"{left} records left, failures {self._failures[:3]}")

    def _report(self, error: Any, message: Any) -> None:
        if error is not None:
            self._failures.append(error)


def percentile(values: Sequence[float], share: float) -> float:
    """Returns the value that a share of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Prints rows under their columns, numbers to one decimal."""
    cells = [[f"{c:.1f}" if isinstance(c, float) else str(c) for c in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    print(f"\n{title}")
    for row in (list(columns), *cells):
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))
