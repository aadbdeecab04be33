"""From the start of a worker process to its first decision, on an embedded broker.

    .venv/bin/python tests/benchmarks/worker_start.py --runs 5 --other /path/to/other/checkout

Both checkouts take turns, so that their ratio holds on a busy machine, too. The unit is complete
and waits in the topics before the worker starts. `--other` needs a `.venv` of its own.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from agents.lab.simulator import simulate_unit
from schemas.modality import MODALITIES
from stream.clients.decision_reader import DecisionReader
from stream.clients.station import Station
from stream.kafka.embedded import EmbeddedBroker
from stream.kafka.topics import create_topics
from stream.settings import Settings

HERE = Path(__file__).parents[2]


async def start_to_decision(checkout: Path) -> float:
    """Seconds until the unit is decided by a worker of `checkout`."""
    async with EmbeddedBroker() as broker:
        settings = Settings.load(bootstrap_servers=broker.bootstrap)
        await create_topics(settings)
        unit = simulate_unit(7, 0)
        async with Station(broker.bootstrap, source="bench") as station:
            for modality in MODALITIES:
                await station.publish(unit.unit_id, unit.payload(modality))
        environment = os.environ | {"REGRADE_BOOTSTRAP_SERVERS": broker.bootstrap}
        async with DecisionReader(broker.bootstrap, group="bench") as reader:
            started = time.monotonic()
            worker = subprocess.Popen(  # noqa: ASYNC220 - it starts at once
                [checkout / ".venv/bin/regrade", "worker"],
                cwd=checkout,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                async with asyncio.timeout(60):
                    await anext(aiter(reader))
                return time.monotonic() - started
            finally:
                worker.terminate()
                worker.wait()


async def measure(runs: int, other: Path | None) -> dict[str, object]:
    """Medians and every run; the first run of each warms the disk's cache and does not count."""
    checkouts = {"this": HERE} | ({"other": other} if other else {})
    seconds: dict[str, list[float]] = {name: [] for name in checkouts}
    for run in range(runs + 1):
        for name, checkout in checkouts.items():
            took = await start_to_decision(checkout)
            print(f"{name}: {took:.2f} s", file=sys.stderr)
            if run:
                seconds[name].append(took)
    found: dict[str, object] = {name: median(times) for name, times in seconds.items()}
    if other:
        found["more"] = median(seconds["this"]) - median(seconds["other"])
    return found | {"runs": seconds}


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--other", type=Path)
    arguments = parser.parse_args()
    print(json.dumps(asyncio.run(measure(arguments.runs, arguments.other))))


if __name__ == "__main__":
    main()
