"""From a unit's last observation to its decision, on a genuine Kafka, beside an echo.

    PYTHONPATH=tests .venv/bin/python tests/benchmarks/latency.py --rate 40 --seconds 30

The clock runs from the moment at which the last of a unit's six observations is handed to the
producer until its decision is in a consumer. The echo, in the same run at the same rate, is an
aiokafka loop that answers a record as large as an observation with one as large as a decision: one
hop, where the line has two and the work. Means by stage come from the times at which the broker
appended what each stage wrote.
"""

import argparse
import json
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from statistics import mean
from typing import Any

from common import Line, Stations, Unit, Units, open_broker, percentile, print_table, wall_ms
from confluent_kafka import Consumer, TopicPartition

from schemas.feature_record import decode_feature_record
from schemas.mark import is_mark
from schemas.modality import MODALITIES

DECISION_BYTES = 3000
SPREAD = 0.5
"""Seconds from a unit's first observation to its last."""

_ECHO = """
import asyncio, sys
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

async def main(bootstrap, there, back, size):
    consumer = AIOKafkaConsumer(there, bootstrap_servers=bootstrap, fetch_max_wait_ms=50,
                                auto_offset_reset="earliest")
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()
    await consumer.start()
    print("ready", flush=True)
    async for record in consumer:
        await producer.send(back, record.value[:16].ljust(size, b"x"), partition=record.partition)

asyncio.run(main(*sys.argv[1:4], int(sys.argv[4])))
"""


class Arrivals:
    """Notes when records of some topics reach a consumer, in a thread of its own.

    Attributes:
        seen: by the record's name, when it came (wall clock in ms with a fraction) and when the
            broker appended it (ms).
    """

    def __init__(self, line: Line, topics: dict[str, Any]) -> None:
        self.seen: dict[str, tuple[float, int]] = {}
        self._name_of = topics
        self._consumer = Consumer(
            {
                "bootstrap.servers": line.settings.bootstrap_servers,
                "group.id": "bench",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 50,
                "fetch.error.backoff.ms": 1,
            }
        )
        count = line.settings.partitions
        self._consumer.assign([TopicPartition(t, p, 0) for t in topics for p in range(count)])
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.is_set():
            message = self._consumer.poll(0.1)
            now = time.time_ns() / 1e6
            if message is not None and message.error() is None:
                name = self._name_of[message.topic()](message)
                if name is not None:
                    self.seen.setdefault(name, (now, message.timestamp()[1]))
        self._consumer.close()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()


def load(
    line: Line, units: Units, echo_topic: str, rate: float, seconds: float
) -> tuple[dict[str, float], dict[str, tuple[Unit, float, str]]]:
    """Sends units and echoes evenly; returns when each echo and each unit's last were sent, ms."""
    stations = Stations(line, units)
    count = round(rate * seconds)
    # Six observations a unit and one echo, all evenly apart.
    step = 1 / rate / 7
    plan: list[tuple[float, int, int]] = []
    for number in range(count):
        for place in range(6):
            at = number / rate + place * (round(SPREAD / 5 * rate) / rate + step)
            plan.append((at, number, place))
        plan.append((number / rate + SPREAD + 6 * step, number, 6))
    plan.sort()
    sending = [units.next() for _ in range(count)]
    echoes: dict[str, float] = {}
    last: dict[str, tuple[Unit, float, str]] = {}
    began = time.time() + 0.2
    for at, number, place in plan:
        if (ahead := began + at - time.time()) > 0:
            time.sleep(ahead)
        unit = sending[number]
        now = time.time_ns() / 1e6
        if place == 6:
            name = f"{number:016d}"
            echoes[name] = now
            size = len(units.value(unit, MODALITIES[number % 6], wall_ms()))
            stations.raw(echo_topic, name.encode().ljust(size, b"x"), unit.home)
            continue
        modality = MODALITIES[(number + place) % 6]  # each is the last one of a sixth of the units
        stations.send(unit, modality, wall_ms())
        if place == 5:
            last[unit.unit_id] = (unit, now, modality.value)
    stations.flush()
    return echoes, last


def measure(bootstrap: str, checkout: Path, rate: float, seconds: float) -> dict[str, Any]:
    """One worker, idle but for this load."""
    units = Units(120)
    with Line(bootstrap, checkout) as line:
        there, back = (f"{line.topics.prefix}echo-{way}" for way in ("there", "back"))
        line.make(there)
        line.make(back)
        log_path = line.folder / "echo.log"
        with log_path.open("wb") as log:
            echo = line.python("-c", _ECHO, bootstrap, there, back, str(DECISION_BYTES), log=log)
        worker = line.start()
        worker.wait_for("Generation ")
        while "ready" not in log_path.read_text():
            time.sleep(0.1)
        load(line, units, there, rate, 5)  # what is slow for the first records only
        time.sleep(1)
        ways = {
            line.topics.decisions: lambda m: m.key().decode(),
            back: lambda m: m.value()[:16].decode(),
        }
        arrivals = Arrivals(line, ways)
        time.sleep(1)
        arrivals.seen.clear()
        cpu, began = worker.cpu(), time.time()
        echoes, last = load(line, units, there, rate, seconds)
        time.sleep(2)
        cpu = (worker.cpu() - cpu) / (time.time() - began)
        arrivals.stop()
        echo.kill()
        echo.wait()
        appended = by_stage(line, last)
        return _figures(echoes, last, arrivals.seen, appended) | {"worker_cpu": cpu}


def by_stage(line: Line, last: dict[str, tuple[Unit, float, str]]) -> dict[str, dict[str, int]]:
    """Returns of each unit when the broker appended its last observation and its feature record."""
    prefix = line.topics.prefix
    topics = [*line.topics.observations]
    if line.topics.features in line._existing():
        topics.append(line.topics.features)
    appended: dict[str, dict[str, int]] = defaultdict(dict)

    def note(message: Any) -> None:
        topic = message.topic().removeprefix(prefix)
        if topic == "units.features":
            if is_mark(message.value()):
                return
            record = decode_feature_record(message.value())
            unit_id, modality, stage = record.unit_id, record.modality.value, "feature record"
        else:
            unit_id, modality, stage = message.key().decode(), topic.split(".")[-1], "observation"
        if unit_id in last and last[unit_id][2] == modality:
            appended[unit_id][stage] = message.timestamp()[1]

    reader = Arrivals(line, dict.fromkeys(topics, note))
    time.sleep(3)
    reader.stop()
    return appended


def _figures(
    echoes: dict[str, float],
    last: dict[str, tuple[Unit, float, str]],
    seen: dict[str, tuple[float, int]],
    appended: dict[str, dict[str, int]],
) -> dict[str, Any]:
    echoed = [seen[name][0] - at for name, at in echoes.items() if name in seen]
    decided = {u: seen[u][0] - at for u, (_, at, _) in last.items() if u in seen}
    stages: dict[str, list[float]] = defaultdict(list)
    for unit_id, (_, sent_at, _) in last.items():
        if unit_id not in seen:
            continue
        come_at, decision_at = seen[unit_id]
        # The broker's times are whole ms, rounded down: half a ms early on average.
        steps = {name: at + 0.5 for name, at in appended.get(unit_id, {}).items()}
        before, where = sent_at, "producer -> observation appended"
        for name, at in (
            ("observation", steps.get("observation")),
            ("feature record", steps.get("feature record")),
            ("decision", decision_at + 0.5),
        ):
            if at is not None:
                where = "producer" if before == sent_at else where
                stages[f"{where} -> {name} appended"].append(at - before)
                before, where = at, name
        stages["decision -> consumer"].append(come_at - before)
    modalities = {
        modality: [decided[u] for u, (_, _, m) in last.items() if m == modality and u in decided]
        for modality in sorted({m for _, _, m in last.values()})
    }
    return {
        "decided": len(decided),
        "units": len(last),
        "echo": _percentiles(echoed),
        "decision": _percentiles(list(decided.values())),
        "stages": {name: mean(values) for name, values in stages.items()},
        "last": {m: _percentiles(v) for m, v in modalities.items() if v},
    }


def _percentiles(values: list[float]) -> dict[str, float]:
    return {"p50": percentile(values, 0.5), "p99": percentile(values, 0.99), "max": max(values)}


def main() -> None:
    """Print the figures as tables, or as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bootstrap", help="a broker that runs already; else one is started")
    parser.add_argument("--rate", type=float, default=40, help="units a second")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--other", type=Path, help="another checkout, to measure as well")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    checkouts = {"this": Path(__file__).parents[2]}
    if options.other:
        checkouts["other"] = options.other.resolve()
    found = {}
    with open_broker(options.bootstrap) as bootstrap:
        for name, checkout in checkouts.items():
            found[name] = measure(bootstrap, checkout, options.rate, options.seconds)
    if options.json:
        print(json.dumps(found))
        return
    for name, figures in found.items():
        rows = [(what, *figures[what].values()) for what in ("echo", "decision")]
        rows += [(f"  last: {m}", *p.values()) for m, p in figures["last"].items()]
        ratio = [figures["decision"][p] / figures["echo"][p] for p in ("p50", "p99", "max")]
        print_table(
            f"{name}: {figures['decided']} of {figures['units']} units decided, ms"
            f" (the worker took {100 * figures['worker_cpu']:.0f} % of a core)",
            ("", "p50", "p99", "max"),
            [*rows, ("decision / echo", *ratio)],
        )
        print_table(f"{name}: mean by stage, ms", ("", "ms"), list(figures["stages"].items()))
    sys.exit(any(f["decided"] < f["units"] for f in found.values()))


if __name__ == "__main__":
    main()
