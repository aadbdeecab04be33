"""A process of our own: its output goes to a log, and it never outlives us."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

# Has the kernel end the process should we be killed (PR_SET_PDEATHSIG is 1), then becomes it. Not
# as a preexec_fn: that forks a process with threads, against which Python 3.12 and later warn.
_LEASHED = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the parent ended before the process began")
os.execv(sys.argv[2], sys.argv[2:])
"""


class Child(subprocess.Popen[bytes]):
    """A running process. Start it in the main thread: on Linux it ends with whoever started it.

    Args:
        command: the path of an executable, and its arguments.
        log_path: stdout and stderr are appended to it.
        environment: None: ours.
    """

    def __init__(
        self, command: Sequence[str], log_path: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.log_path = log_path
        if sys.platform == "linux":
            leash = [sys.executable, "-I", "-S", "-c", _LEASHED, str(os.getpid())]
            command = [*leash, *command]
        with log_path.open("ab") as log:
            super().__init__(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us; we stop it in order
            )

    def stop(self, timeout: float) -> None:
        """Asks it to end, and makes it after `timeout` s."""
        self.send_signal(signal.SIGCONT)  # a suspended process takes SIGTERM only when it goes on
        self.terminate()
        try:
            self.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            self.wait()

    @property
    def log(self) -> str:
        """What it has said so far."""
        return self.log_path.read_text("utf-8", "replace")

    @property
    def ended(self) -> str:
        """How it ended, and what it last said about why."""
        name, code, why = self.log_path.stem, self.returncode, last_words(self.log)
        return f"{name} ended with {code}: {why} (log: {self.log_path})"


def last_words(log: str) -> str:
    """Returns the last line of a log that a command line means for people, else the last line."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    ours = [line for line in lines if line.startswith("regrade: ")]
    return (ours or lines or ["it logged nothing"])[-1].removeprefix("regrade: ")[-300:]
