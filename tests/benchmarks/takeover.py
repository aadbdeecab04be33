"""How long home partitions are silent when a worker is killed, told to end, or joins.

    PYTHONPATH=tests .venv/bin/python tests/benchmarks/takeover.py --rate 40 --times 5

Three workers on a genuine Kafka, a steady load of complete units, whose homes take turns. The
silence of a home is the longest time between two of its decisions, by the broker's clock, from
just before the event until all homes have been decided for again for a while. Homes that stay with
their worker are told apart from those that move.

`--backlog N`: instead, N observations wait and the workers have begun with them when one is killed;
then it is the time until the first decision of each home that moved.
"""

import argparse
import json
import re
import sys
import threading
import time
from collections import defaultdict
from functools import partial
from typing import Any

from common import Line, Stations, Units, Worker, open_broker, print_table, wall_ms
from confluent_kafka import Consumer, TopicPartition

from schemas.modality import MODALITIES

EVENTS = ("kill", "term", "join")
SETTLED_AFTER = 4.0
"""Seconds in which all homes are decided for, after which an event is over."""
PATIENCE = 60.0
_HOMES = re.compile(r"home partitions \[([\d, ]*)\]")


class Decisions:
    """Notes when each home's decisions were appended, ms by the broker's clock."""

    def __init__(self, line: Line) -> None:
        self.appended: dict[int, list[int]] = defaultdict(list)
        self._consumer = Consumer(
            {
                "bootstrap.servers": line.settings.bootstrap_servers,
                "group.id": "bench",
                "enable.auto.commit": False,
            }
        )
        homes = range(line.settings.partitions)
        self._consumer.assign([TopicPartition(line.topics.decisions, h, 0) for h in homes])
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            for message in self._consumer.consume(500, timeout=0.1):
                if message.error() is None:
                    self.appended[message.partition()].append(message.timestamp()[1])

    @property
    def count(self) -> int:
        return sum(map(len, list(self.appended.values())))

    def silence(self, home: int, since: int, until: int) -> float:
        """Returns the longest time without a decision within these times, seconds."""
        times = [at for at in self.appended[home] if since <= at <= until]
        return max(b - a for a, b in zip([since, *times], [*times, until], strict=True)) / 1000


class Load(threading.Thread):
    """Sends complete units at a steady rate until it is told to stop."""

    def __init__(self, line: Line, units: Units, rate: float) -> None:
        super().__init__(daemon=True)
        self._line, self._units, self._rate = line, units, rate
        self.ended = threading.Event()

    def run(self) -> None:
        stations = Stations(self._line, self._units)
        began = time.monotonic()
        for number, unit in enumerate(self._units):
            if self.ended.wait(max(began + number / self._rate - time.monotonic(), 0)):
                break
            for modality in MODALITIES:
                stations.send(unit, modality, wall_ms())
        stations.flush()


def homes_of(worker: Worker) -> frozenset[int]:
    """Returns the homes that it was given last."""
    lists = _HOMES.findall(worker.log)
    return frozenset(int(h) for h in lists[-1].split(",") if h.strip()) if lists else frozenset()


def owners(workers: list[Worker]) -> dict[int, str]:
    """Returns which worker has each home; of those that say so the last of the list."""
    return {home: w.name for w in workers if w.running for home in homes_of(w)}


def settled(line: Line, workers: list[Worker], decisions: Decisions, rate: float) -> bool:
    """Whether each home has one owner, and has been decided for all the time lately."""
    held = sorted(home for w in workers for home in homes_of(w))
    homes = list(range(line.settings.partitions))
    now = wall_ms()
    since = now - round(1000 * SETTLED_AFTER)
    usual = 6 * len(homes) / rate + 0.5
    return held == homes and all(decisions.silence(h, since, now) < usual for h in homes)


def wait_until_settled(
    line: Line, workers: list[Worker], decisions: Decisions, rate: float
) -> None:
    deadline = time.monotonic() + PATIENCE
    while not settled(line, workers, decisions, rate):
        if time.monotonic() > deadline:
            tails = "\n".join(f"{w.name}: {w.log[-1500:]}" for w in workers)
            raise RuntimeError(f"the workers do not settle:\n{tails}")
        time.sleep(0.2)


def under_load(bootstrap: str, rate: float, times: int) -> list[dict[str, Any]]:
    """Kills, stops and adds workers in turns; returns the silences of each event."""
    units, found = Units(60), []
    with Line(bootstrap) as line:
        decisions, load = Decisions(line), Load(line, units, rate)
        workers = [line.start() for _ in range(3)]
        for worker in workers:
            worker.wait_for("Generation ")
        load.start()
        # A worker that ends is followed by one that joins.
        for event in [e for _ in range(times) for e in ("kill", "join", "term", "join")]:
            wait_until_settled(line, workers, decisions, rate)
            before, began = owners(workers), wall_ms()
            if event == "join":
                workers.append(line.start())
                workers[-1].wait_for("home partitions")
                began = wall_ms() - 2000
            else:
                leaver = workers.pop(0)
                leaver.process.terminate() if event == "term" else leaver.kill()
            time.sleep(SETTLED_AFTER)
            wait_until_settled(line, workers, decisions, rate)
            after, until = owners(workers), wall_ms() - 500
            found.append(
                {"event": event, "rate": rate}
                | _apart(before, after, partial(decisions.silence, since=began, until=until))
            )
            print(found[-1], file=sys.stderr)
        load.ended.set()
        load.join()
    return found


def with_backlog(bootstrap: str, observations: int) -> list[dict[str, Any]]:
    """Kills one of three workers that have a backlog; returns when each home goes on."""
    units = Units(60)
    with Line(bootstrap) as line:
        Stations(line, units).send_backlog(observations // 6, rate=40)
        decisions = Decisions(line)
        workers = [line.start() for _ in range(3)]
        while decisions.count < observations / 6 / 10 or len(owners(workers)) < 6:
            time.sleep(0.1)
        before, began = owners(workers), wall_ms()
        workers.pop(0).kill()
        deadline = time.monotonic() + PATIENCE
        moved = [h for h, owner in before.items() if owner == "worker-1"]
        while any(not decisions.appended[h] or decisions.appended[h][-1] < began + 1000
                  for h in moved):  # fmt: skip
            if time.monotonic() > deadline:
                raise RuntimeError("\n".join(w.log[-2000:] for w in workers))
            time.sleep(0.1)
        after = owners(workers)

        def first(home: int) -> float:
            later = [at for at in decisions.appended[home] if at >= began]
            if home in moved:  # what the dead worker had sent comes before the gap
                return decisions.silence(home, began, later[-1])
            return decisions.silence(home, began, max(later[-1], began))

        return [{"event": "kill", "backlog": observations} | _apart(before, after, first)]


def _apart(before: dict[int, str], after: dict[int, str], measure: Any) -> dict[str, Any]:
    silences = {home: measure(home) for home in sorted(after)}
    return {
        "stayed": {h: s for h, s in silences.items() if before.get(h) == after[h]},
        "moved": {h: s for h, s in silences.items() if before.get(h) != after[h]},
    }


def main() -> None:
    """Print every silence, and the longest of each kind; or all as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bootstrap", help="a broker that runs already; else one is started")
    parser.add_argument("--rate", type=float, default=40, help="units a second")
    parser.add_argument("--times", type=int, default=5, help="of each event (twice as many joins)")
    parser.add_argument("--backlog", type=int, help="observations that wait")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with open_broker(options.bootstrap) as bootstrap:
        if options.backlog:
            found = with_backlog(bootstrap, options.backlog)
        else:
            found = under_load(bootstrap, options.rate, options.times)
    if options.json:
        print(json.dumps(found))
        return
    rows = [
        (each["event"], kind, " ".join(f"{home}:{s:.2f}" for home, s in each[kind].items()))
        for each in found
        for kind in ("stayed", "moved")
    ]
    print_table("seconds of silence, by home", ("event", "homes", "each"), rows)
    longest = [
        (event, *(max((s for e in found if e["event"] == event for s in e[k].values()), default=0.0)
                  for k in ("stayed", "moved")))
        for event in EVENTS
    ]  # fmt: skip
    print_table("the longest", ("event", "stayed", "moved"), longest)


if __name__ == "__main__":
    main()
