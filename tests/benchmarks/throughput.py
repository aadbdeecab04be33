"""Observations a second of one worker on a genuine Kafka, and the CPU of each stage.

    PYTHONPATH=tests .venv/bin/python tests/benchmarks/throughput.py --other ../regrade-68bfed7

Observations of complete units wait in the topics when the worker is assigned its partitions; the
clock stops when all units are decided. Beside it in the same run: an aiokafka loop that copies and
decodes the same observations, which is what Kafka from Python costs without any of our work; and
each stage in a process of its own, for its CPU. `--other` takes turns with another checkout, run by
this one's interpreter.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from common import Line, Stations, Unit, Units, Worker, open_broker, print_table
from confluent_kafka import Consumer, TopicPartition

_COPY = """
import asyncio, sys, time
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from schemas.codec import decode
from stream.kafka.topics import Topics
from stream.settings import Settings

async def main(count):
    settings = Settings.load()
    topics = Topics.of(settings)
    bootstrap = settings.bootstrap_servers
    consumer = AIOKafkaConsumer(*topics.observations, bootstrap_servers=bootstrap,
                                auto_offset_reset="earliest", group_id=None)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=5)
    await producer.start()
    await consumer.start()
    modality_of = {t: topics.modality_of(t) for t in topics.observations}
    began, cpu, done, waiting = time.time(), time.process_time(), 0, []
    while done < count:
        for tp, records in (await consumer.getmany(timeout_ms=500)).items():
            for record in records:
                decode(record.value, modality_of[tp.topic])
                waiting.append(await producer.send("COPIES", record.value, record.key))
            done += len(records)
        await asyncio.gather(*waiting)
        waiting = []
    print(time.time() - began, time.process_time() - cpu)
    await consumer.stop()
    await producer.stop()

asyncio.run(main(int(sys.argv[1])))
"""


class Decided:
    """Counts the units that have been decided."""

    def __init__(self, line: Line) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": line.settings.bootstrap_servers,
                "group.id": f"{line.settings.group}-bench",
                "enable.auto.commit": False,
                "check.crcs": False,
            }
        )
        topic = line.topics.decisions
        homes = range(line.settings.partitions)
        self._consumer.assign([TopicPartition(topic, home, 0) for home in homes])

    def wait_for(self, units: list[Unit], worker: Worker, within: float = 600) -> float:
        """Returns when the last of the units was decided by the broker's clock, seconds."""
        missing = {unit.unit_id for unit in units}
        deadline = time.monotonic() + within
        last = 0
        while missing:
            if time.monotonic() > deadline or not worker.running:
                raise RuntimeError(f"{len(missing)} units undecided:\n{worker.log[-3000:]}")
            for message in self._consumer.consume(1000, timeout=0.1):
                if message.error() is None:
                    missing.discard(message.key().decode())
                    last = max(last, message.timestamp()[1])
        self._consumer.close()
        return last / 1000


def whole(bootstrap: str, checkout: Path, units: Units, count: int) -> dict[str, Any]:
    """One worker, both stages in one process."""
    with Line(bootstrap, checkout) as line:
        waiting = Stations(line, units).send_backlog(count, rate=40)
        decided = Decided(line)
        worker = line.start()
        began = worker.wait_for("Generation ")
        cpu = worker.cpu()
        seconds = decided.wait_for(waiting, worker) - began
        cpu = worker.cpu() - cpu
        return _figures(count, seconds, cpu)


def by_stage(bootstrap: str, checkout: Path, units: Units, count: int) -> dict[str, Any]:
    """Extract alone until it has nothing more to do, then decide alone; and the copying loop."""
    with Line(bootstrap, checkout) as line:
        waiting = Stations(line, units).send_backlog(count, rate=40)
        copies = f"{line.topics.prefix}copies"
        line.make(copies)
        loop = _COPY.replace("COPIES", copies)
        log = line.folder / "copy.log"
        with log.open("wb") as output:
            code = line.python("-c", loop, str(6 * count), log=output).wait()
        if code:
            raise RuntimeError(log.read_text())
        last = log.read_text().splitlines()[-1]
        found = {"copy": _figures(count, *map(float, last.split()))}

        extract = line.start("extract")
        began, cpu = extract.wait_for("Generation "), extract.cpu()
        before, at, used = -1.0, time.time(), 0.0
        while True:  # until it only sends marks
            time.sleep(0.5)
            now = extract.cpu()
            if now - before < 0.1:
                break
            before, at, used = now, time.time(), now
        found["extract"] = _figures(count, at - began, used - cpu)
        extract.process.terminate()
        extract.process.wait()

        decided = Decided(line)
        decide = line.start("decide")
        began, cpu = decide.wait_for("Generation "), decide.cpu()
        seconds = decided.wait_for(waiting, decide) - began
        found["decide"] = _figures(count, seconds, decide.cpu() - cpu)
        return found


def _figures(count: int, seconds: float, cpu: float) -> dict[str, Any]:
    return {
        "observations_per_s": 6 * count / seconds,
        "seconds": seconds,
        "cpu_us_per_observation": 1e6 * cpu / 6 / count,
        "cpu_us_per_unit": 1e6 * cpu / count,
    }


def main() -> None:
    """Print the figures as a table, or as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bootstrap", help="a broker that runs already; else one is started")
    parser.add_argument("--observations", type=int, default=60_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--other", type=Path, help="another checkout, to take turns with")
    parser.add_argument("--no-stages", action="store_true", help="only the whole worker")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    count = options.observations // 6
    this = Path(__file__).parents[2]
    checkouts = {"this": this} | ({"other": options.other.resolve()} if options.other else {})
    units = Units()
    runs: list[tuple[str, dict[str, Any]]] = []

    def note(name: str, figures: dict[str, Any]) -> None:
        runs.append((name, figures))
        print(f"{name}: {figures['observations_per_s']:.0f}/s", file=sys.stderr)

    with open_broker(options.bootstrap) as bootstrap:
        for _ in range(options.runs):
            for name, checkout in checkouts.items():
                note(name, whole(bootstrap, checkout, units, count))
        if not options.no_stages:
            for name, figures in by_stage(bootstrap, this, units, count).items():
                note(name, figures)
    if options.json:
        print(json.dumps(runs))
        return
    print_table(
        f"{6 * count} observations waiting, one worker",
        ("", "observations/s", "seconds", "CPU us/observation", "CPU us/unit"),
        [(name, *figures.values()) for name, figures in runs],
    )
    of = {name: median(f["observations_per_s"] for n, f in runs if n == name) for name, _ in runs}
    if options.other:
        print(f"\nthis / other: {of['this'] / of['other']:.2f} (medians)")


if __name__ == "__main__":
    main()
