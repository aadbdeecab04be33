"""`regrade demo` as a program would run it: its own broker, worker and stations."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest

from stream.replay.recording import Recording

DEMO = [sys.executable, "-m", "stream.cli", "demo"]
FIELDS = {
    "units", "passages", "decisions", "final", "provisional", "amended", "lost", "conflicting",
    "late", "dead_letters", "accuracy", "by_option", "latency_ms", "seconds",
    "disassembly",
}  # fmt: skip


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """All that the demo leaves on disk would be in `tmp_path`."""
    return os.environ | {"TMPDIR": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}


def test_the_demo_ends_well_and_says_what_happened(
    environment: dict[str, str], tmp_path: Path
) -> None:
    done = subprocess.run(
        [*DEMO, "--units", "60", "--seed", "3", "--json", "--record", str(tmp_path / "rec")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary.keys() >= FIELDS
    assert summary["units"] == summary["passages"] == 60
    assert summary["final"] + summary["amended"] == summary["decisions"] >= 60
    assert (summary["lost"], summary["conflicting"]) == (0, 0)
    assert (summary["wrong_missing"], summary["partial"]) == (0, 0)
    assert (summary["late"], summary["dead_letters"]) == (3, 6)
    assert sum(summary["by_option"].values()) == 60
    assert set(summary["accuracy"]) == {"quality", "material", "routing"}
    assert summary["accuracy"]["routing"] > 0.5
    assert 0 < summary["latency_ms"]["p50"] <= summary["latency_ms"]["p99"]
    assert "60 returned laptops crossed the line" in done.stderr
    assert list(tmp_path.glob("regrade-*")) == []
    recording = Recording(tmp_path / "rec")
    recorded = Counter(record.topic for record in recording.records())
    counts = (recorded["routing.decisions"], recorded["units.late"], recorded["units.dead-letter"])
    assert counts == (summary["decisions"], 3, 6)
    assert (len(recording.topics), recording.damage) == (10, ())


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_demo_leaves_nothing_behind(
    environment: dict[str, str], tmp_path: Path, number: int, code: int
) -> None:
    process = subprocess.Popen(
        [*DEMO, "--json"],
        env=environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    line = process.stderr.readline()
    assert "An embedded broker answers" in line
    address = line.split("answers at ")[1].split(";")[0]
    time.sleep(1)
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == code, errors
    assert "Traceback" not in errors
    assert list(tmp_path.glob("regrade-*")) == []
    assert not processes_that_mention(address)


def test_a_worker_that_cannot_start_is_told(environment: dict[str, str], tmp_path: Path) -> None:
    environment["REGRADE_WEIGHTS_PATH"] = str(tmp_path / "none.safetensors")
    done = subprocess.run(
        [*DEMO, "--json"], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert done.stdout == ""
    last = done.stderr.splitlines()[-1]
    assert last.startswith("regrade: worker-1 ended with 1: cannot read")
    log = Path(last.split("(log: ")[1].rstrip(")"))
    assert "`regrade train` makes weights" in log.read_text()
    assert Path(tempfile.gettempdir()) not in log.parents or tmp_path in log.parents


def processes_that_mention(text: str) -> list[str]:
    """Command lines of running processes, where the system shows them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in command:
            found.append(command)
    return found
