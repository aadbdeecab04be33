"""The processes of a worker: they end together, and its exit code is the worst of theirs."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

_WORKER = """
import sys, time
from functools import partial
from pathlib import Path
from stream.kafka.process import run_each

def work(does):
    folder = Path(sys.argv[1])
    try:
        if does == "wait":
            import signal
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
            (folder / "waits").touch()
            time.sleep(30)
        elif does == "hang":
            import signal
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            (folder / "waits").touch()
            time.sleep(30)
        while not (folder / "waits").exists():
            time.sleep(0.01)
        return int(does)
    finally:
        (folder / f"{does}-ended").touch()

sys.exit(run_each([partial(work, does) for does in sys.argv[2:]]))
"""


def start(folder: Path, *works: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", _WORKER, str(folder), *works])


def appears(path: Path) -> bool:
    deadline = time.monotonic() + 10
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return path.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_all_and_a_clean_end_is_clean(tmp_path: Path, number: int) -> None:
    worker = start(tmp_path, "wait", "wait")
    assert appears(tmp_path / "waits")
    worker.send_signal(number)
    assert worker.wait(10) == 0
    assert (tmp_path / "wait-ended").exists()


@pytest.mark.parametrize("code", ["0", "3"])
def test_where_one_ends_by_itself_the_others_are_ended_and_it_counts(
    tmp_path: Path, code: str
) -> None:
    assert start(tmp_path, code, "wait").wait(10) == 1
    assert (tmp_path / "wait-ended").exists()


def test_one_that_does_not_end_is_made_to(tmp_path: Path) -> None:
    began = time.monotonic()
    assert start(tmp_path, "hang", "3").wait(10) == 1
    assert time.monotonic() - began < 8
    assert not (tmp_path / "hang-ended").exists()


def test_they_end_with_the_one_that_looks_after_them(tmp_path: Path) -> None:
    worker = start(tmp_path, "wait", "wait")
    assert appears(tmp_path / "waits")
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait(10)
    assert appears(tmp_path / "wait-ended")
