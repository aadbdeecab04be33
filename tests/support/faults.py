"""What tests of faults share: a line with one partition a topic, and a look at its worker."""

import contextlib
import random
import socket
import urllib.request
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from schemas.modality import MODALITIES, Modality
from stream.kafka.topics import Topics, create_topics
from stream.settings import Settings
from support.forked_worker import ForkedWorker, ForkedWorkers
from support.kafka.cluster import HOST
from support.sender import Sender, now_ms, observe
from support.topic_tail import TopicTail
from support.worker_process import SHORT


class FaultyLine:
    """A line with one worker, whose topics are followed; open it with `faulty_line`."""

    def __init__(
        self, workers: ForkedWorkers, sender: Sender, tails: dict[str, TopicTail], topics: Topics
    ) -> None:
        self.settings = workers.settings
        self.workers = workers
        self.sender = sender
        self.topics = topics
        self.decisions = tails["decisions"]
        self.late = tails["late"]
        self.dead = tails["dead"]

    @property
    def worker(self) -> ForkedWorker:
        """The one that was started last."""
        worker = self.workers.all[-1]
        assert isinstance(worker, ForkedWorker)
        return worker

    def send(
        self, unit: str, modalities: Sequence[Modality] = MODALITIES, *, behind: float = 0.0
    ) -> None:
        """Sends one observation of each modality, taken `behind` s before now."""
        for observation in observe(unit, modalities, now_ms() - round(behind * 1000)):
            self.sender.observation(observation, partition=0)

    def dead_reasons(self) -> list[str]:
        """The reason codes of the dead letters so far."""
        return [dict(record.headers)["regrade.reason"].decode() for record in self.dead.records]

    def metric(self, name: str) -> dict[str, float]:
        """Returns the worker's samples of a metric, by their labels as Prometheus writes them."""
        first = self.settings.metrics_port
        assert first is not None
        lines: list[str] = []
        for port in (first, first + 1):  # of extract, of decide
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                lines += answer.read().decode().splitlines()
        samples = [line.rsplit(" ", 1) for line in lines if line.startswith(name)]
        return {labels.removeprefix(name): float(value) for labels, value in samples}


def _port_and_next() -> int:
    """Returns a port on which, like on the next one, nothing listens; none of those that the
    system gives out by itself, which may be gone by the time that they are served."""
    while True:
        port = random.randrange(20_000, 32_000, 2)
        with contextlib.suppress(OSError), socket.socket() as one, socket.socket() as two:
            one.bind((HOST, port))
            two.bind((HOST, port + 1))
            return port


@contextlib.asynccontextmanager
async def faulty_line(
    settings: Settings,
    folder: Path,
    name: str = "line",
    *,
    start: bool = True,
    metrics: bool = False,
    **changes: Any,
) -> AsyncIterator[FaultyLine]:
    """A line of its own with one partition a topic; its worker is ready unless not to `start`."""
    prefix = f"{settings.topic_prefix}{name}."
    own = {
        "topic_prefix": prefix,
        "group": f"{prefix}regrade",
        "partitions": 1,
        # Only where they are looked at: the port may be taken by the time that it is served.
        "metrics_port": _port_and_next() if metrics else None,
    }
    line = settings.model_copy(update=SHORT | own | changes)
    await create_topics(line)
    topics = Topics.of(line)
    (folder := folder / name).mkdir()
    async with contextlib.AsyncExitStack() as stack:
        workers = stack.enter_context(ForkedWorkers(line, folder))
        sender = stack.enter_context(Sender(line))
        names = {"decisions": topics.decisions, "late": topics.late, "dead": topics.dead_letter}
        tails = {
            tail: await stack.enter_async_context(TopicTail(line, topic))
            for tail, topic in names.items()
        }
        if start:
            workers.start()
            await workers.ready()
        yield FaultyLine(workers, sender, tails, topics)
