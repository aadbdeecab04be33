"""Runs a Kafka in the foreground, for experiments and for a whole test run:

PYTHONPATH=tests python -m support.kafka --port 19092
"""

import argparse
import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from support.kafka.class_path import NoKafka, class_path
from support.kafka.cluster import KafkaCluster
from support.kafka.container import kafka_container


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m support.kafka", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="of the first node; 0: a free one")
    parser.add_argument("--nodes", type=int, default=1, choices=(1, 3))
    parser.add_argument("--docker", action="store_true", help="one node, Apache's own image")
    parser.add_argument("--address-file", type=Path, help="written when it answers")
    parser.add_argument("--owner", type=int, help="end with the process of this id")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with broker(options) as address:
            print(address, flush=True)
            if options.address_file:
                written = options.address_file.with_suffix(".new")
                written.write_text(address)
                written.rename(options.address_file)
            while options.owner is None or lives(options.owner):
                time.sleep(0.5)
    except KeyboardInterrupt:
        pass
    except (NoKafka, RuntimeError) as error:
        sys.exit(str(error))


@contextlib.contextmanager
def broker(options: argparse.Namespace) -> Iterator[str]:
    """Runs what the options say, and gives its address."""
    if options.docker:
        with kafka_container() as address:
            yield address
        return
    with (
        tempfile.TemporaryDirectory(prefix="regrade-kafka-", ignore_cleanup_errors=True) as folder,
        KafkaCluster(class_path(), Path(folder), options.nodes, port=options.port) as cluster,
    ):
        yield cluster.bootstrap


def lives(pid: int) -> bool:
    """Returns whether there is a process of that id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    main()
