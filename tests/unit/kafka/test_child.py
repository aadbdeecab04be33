"""Processes of our own: how they end, and what they said."""

import signal
import sys
import time
from pathlib import Path

import pytest

from stream.kafka.child import Child, last_words

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('deaf', flush=True); time.sleep(60)"
)


def started(script: str, log_path: Path) -> Child:
    child = Child([sys.executable, "-c", script], log_path)
    deadline = time.monotonic() + 20
    while not child.log and time.monotonic() < deadline:
        time.sleep(0.01)
    return child


def test_why_it_ended(tmp_path: Path) -> None:
    child = started("import sys; sys.exit('regrade: no weights')", tmp_path / "worker-1.log")
    assert child.wait(20) == 1
    assert child.ended == f"worker-1 ended with 1: no weights (log: {tmp_path}/worker-1.log)"
    child.stop(0)
    assert child.returncode == 1


@pytest.mark.parametrize("suspended", [False, True])
def test_it_is_asked_to_end(tmp_path: Path, suspended: bool) -> None:
    child = started("import time; print('here', flush=True); time.sleep(60)", tmp_path / "log")
    if suspended:
        child.send_signal(signal.SIGSTOP)
    child.stop(20)
    assert child.returncode == -signal.SIGTERM


def test_it_is_made_to_end(tmp_path: Path) -> None:
    child = started(STUBBORN, tmp_path / "log")
    child.stop(0.1)
    assert child.returncode == -signal.SIGKILL


def test_last_words() -> None:
    assert last_words("regrade: no weights\n  at exit\n") == "no weights"
    assert last_words("one\ntwo\n\n") == "two"
    assert last_words("") == "it logged nothing"
