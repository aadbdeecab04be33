"""CPU time of extraction by modality: batches of 1, 16 and 64, and plain numpy one at a time.

    PYTHONPATH=tests .venv/bin/python tests/benchmarks/extraction.py

Payloads are the simulator's. Decoding their Avro records is measured by itself. All figures are
microseconds of the process's CPU per observation, the least of several rounds; one thread.
"""

import argparse
import time
from collections.abc import Callable
from statistics import mean

from support.plain_features import plain_features

from agents.extract.kinds import KINDS, warm_up
from agents.lab.simulator import simulate_unit
from schemas.codec import decode, encode
from schemas.modality import MODALITIES, Modality
from schemas.observation import Observation, Payload

BATCHES = (1, 16, 64)
COLUMNS = (*(f"batch {size}" for size in BATCHES), "plain", "decode")


def microseconds(work: Callable[[], object], observations: int, rounds: int) -> float:
    """CPU per observation in the best round."""
    took = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        took.append(time.process_time() - started)
    return 1e6 * min(took) / observations


def measure(modality: Modality, units: int, rounds: int) -> list[float]:
    """One figure a column."""
    kind = KINDS[modality]
    payloads = [simulate_unit(7, index).payload(modality) for index in range(units)]
    records = [encode(Observation("LT-1", "o-1", 1_795_341_600_000, "s", p)) for p in payloads]

    def in_batches(size: int) -> Callable[[], object]:
        parts: list[list[Payload]] = [payloads[i : i + size] for i in range(0, units, size)]
        return lambda: [kind.extract(part) for part in parts]

    works = [in_batches(size) for size in BATCHES]
    works.append(lambda: [plain_features(payload) for payload in payloads])
    works.append(lambda: [decode(record, modality) for record in records])
    return [microseconds(work, units, rounds) for work in works]


def main() -> None:
    """Print one line a modality, and their mean."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    warm_up()
    print("".join(f"{title:>10}" for title in ("", *COLUMNS)))
    rows = {m: measure(m, arguments.units, arguments.rounds) for m in MODALITIES}
    for name, row in {**rows, "mean": [mean(c) for c in zip(*rows.values(), strict=True)]}.items():
        print(f"{name:>10}" + "".join(f"{figure:10.0f}" for figure in row))


if __name__ == "__main__":
    main()
