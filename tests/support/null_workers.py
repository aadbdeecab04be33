"""Worker processes of null stages for tests, and the topics that they pass records between."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import TopicPartition as KafkaTP
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from stream.settings import Settings
from support.null_stage import PASSED

TESTS = Path(__file__).parents[1]
_LAUNCH = """
import ctypes, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: ends with the tests
from support.null_stage import main
sys.exit(main())
"""


class Passed(NamedTuple):
    """A record as it came out: where it came from and who passed it on."""

    topic: str
    partition: int
    offset: int
    pid: int
    generation: int
    output_partition: int
    timestamp: int


class NullWorker:
    """One process; what it prints is in `log`."""

    def __init__(self, stages: Sequence[dict[str, Any]], log: Path, **settings: Any) -> None:
        self.log = log
        orders = json.dumps({"settings": settings, "stages": stages})
        path = os.pathsep.join([str(TESTS.parent), str(TESTS)])
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _LAUNCH, orders],
                env=os.environ | {"PYTHONPATH": path},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                process_group=0,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def kill(self) -> None:
        """SIGKILL to all of its processes."""
        os.killpg(self.pid, signal.SIGKILL)

    def said(self, what: str) -> list[list[Any]]:
        """What the stage printed under this name, oldest first."""
        lines = self.log.read_text().splitlines()
        return [json.loads(line)[1:] for line in lines if line.startswith(f'["{what}"')]

    def assigned(self) -> set[str] | None:
        """The partitions that it has, as topic/partition; None before the first assignment."""
        said = self.said("assign")
        return set(said[-1][1]) if said else None

    async def ends(self, within: float) -> int:
        """Returns the exit code."""
        return await asyncio.to_thread(self.process.wait, within)


class NullWorkers:
    """Starts workers of one kind, and ends them with the `with` block."""

    def __init__(self, settings: Settings, folder: Path, stages: Sequence[dict[str, Any]]) -> None:
        self._settings = settings
        self._folder = folder
        self._stages = stages
        self.workers: list[NullWorker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.kill()
            worker.process.wait()
            if kind is not None:
                print(f"--- {worker.log}\n{worker.log.read_text()[-4000:]}")

    def start(self, **settings: Any) -> NullWorker:
        base = {
            name: getattr(self._settings, name)
            for name in ("bootstrap_servers", "group", "session_timeout", "request_timeout")
        }
        base |= {"datadir": str(self._settings.datadir), "producer_linger": 0.0}
        log = self._folder / f"null-{len(self.workers)}.log"
        worker = NullWorker(self._stages, log, **base | settings)
        self.workers.append(worker)
        return worker

    async def share(
        self, workers: Iterable[NullWorker], partitions: int, within: float = 30
    ) -> None:
        """Waits until these have all partitions among them, each something."""

        def shared() -> bool:
            assigned = [worker.assigned() for worker in workers]
            return all(assigned) and sum(len(a) for a in assigned if a) == partitions

        await until(shared, within)


async def until(condition: Callable[[], bool], within: float = 30) -> None:
    """Waits for a condition, looking ten times a second.

    Raises:
        TimeoutError: it did not come true.
    """
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        await asyncio.sleep(0.1)


async def make_topics(bootstrap: str, counts: dict[str, int], **configs: str) -> None:
    """Creates topics and waits until they are visible."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics(
            [NewTopic(name, count, 1, topic_configs=configs) for name, count in counts.items()]
        )
        for _ in range(100):
            if counts.keys() <= set(await admin.list_topics()):
                return
            await asyncio.sleep(0.05)
    finally:
        await admin.close()


async def send(bootstrap: str, topic: str, values: Iterable[bytes], **where: Any) -> None:
    """Publishes values under the keys u0, u1, ..."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, max_request_size=2**24)
    await producer.start()
    try:
        deliveries = [
            await producer.send(topic, value, **{"key": b"u%d" % number} | where)
            for number, value in enumerate(values)
        ]
        await asyncio.gather(*deliveries)
    finally:
        await producer.stop()


class Output:
    """Reads an output topic from its beginning, as it grows."""

    def __init__(self, bootstrap: str, topic: str, partitions: int) -> None:
        self._consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
        self._tps = [KafkaTP(topic, number) for number in range(partitions)]
        self.passed: list[Passed] = []

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        self._consumer.assign(self._tps)
        self._task = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._consumer.stop()

    async def _read(self) -> None:
        async for record in self._consumer:
            origin = json.loads(dict(record.headers)[PASSED])
            topic, partition, offset, pid, generation = origin
            self.passed.append(
                Passed(
                    topic, partition, offset, pid, generation, record.partition, record.timestamp
                )
            )

    async def has(self, count: int, within: float = 30) -> None:
        """Waits until that many different records have come out."""

        def all_there() -> bool:
            return len({p[:3] for p in self.passed}) >= count

        try:
            await until(all_there, within)
        except TimeoutError:
            found = len({p[:3] for p in self.passed})
            raise AssertionError(f"{found} of {count} records came out") from None
