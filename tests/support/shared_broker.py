"""One genuine broker for all processes of a test run, started by the first that asks for it.

It is `python -m support.kafka`, which ends with the run's first process even if that is killed.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).parents[1]
STOP_TIMEOUT = 15.0


@dataclass(frozen=True)
class SharedBroker:
    """What the run's processes must know to find each other.

    Attributes:
        folder: of the run, for the lock, the address and the log.
        owner: the id of the run's first process.
    """

    folder: Path
    owner: int

    @classmethod
    def of_this_process(cls) -> "SharedBroker":
        """Makes the folder; to be called once, by the run's first process."""
        return cls(Path(tempfile.mkdtemp(prefix="regrade-tests-")), os.getpid())

    def address(self, docker: bool) -> str:
        """Returns the bootstrap address; the first call starts the broker, the others wait.

        Raises:
            RuntimeError: it did not start; with what it printed.
        """
        address, log, pid = (self.folder / name for name in ("address", "log", "pid"))
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if pid.exists():
                if not address.exists():
                    raise RuntimeError(f"the tests' Kafka did not start:\n{log.read_text()}")
                return address.read_text()
            command = [sys.executable, "-m", "support.kafka"]
            command += ["--owner", str(self.owner), "--address-file", str(address)]
            with log.open("wb") as output:
                process = subprocess.Popen(
                    command + ["--docker"] * docker,
                    cwd=TESTS,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            pid.write_text(str(process.pid))
            while not address.exists():
                if process.poll() is not None:
                    raise RuntimeError(f"the tests' Kafka did not start:\n{log.read_text()}")
                time.sleep(0.05)
            # It outlives this process, and so nobody here waits for its end.
            process.returncode = 0
            return address.read_text()

    def close(self) -> None:
        """Ends the broker where there is one; for the run's first process."""
        with contextlib.suppress(FileNotFoundError):
            pid = int((self.folder / "pid").read_text())
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
                _wait_for_end(pid)
        shutil.rmtree(self.folder, ignore_errors=True)


def _wait_for_end(pid: int) -> None:
    """Waits until the process has cleaned up; one that is our child is reaped."""
    deadline = time.monotonic() + STOP_TIMEOUT
    while time.monotonic() < deadline:
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(pid, os.WNOHANG)[0] == pid:
                return
        os.kill(pid, 0)  # raises ProcessLookupError once it is gone
        time.sleep(0.05)
