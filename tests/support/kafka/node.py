"""One Kafka process, broker and controller in one, and what may happen to it."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from support.kafka.class_path import java

LOGGING = Path(__file__).with_name("log4j2.properties")
START_TIMEOUT = 90.0
# Has the kernel kill the node should we be killed (PR_SET_PDEATHSIG is 1), then becomes it. Not
# SIGTERM: a node whose companions are gone waits minutes for them before it ends.
_LEASHED = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 9)
os.execv(sys.argv[1], sys.argv[1:])
"""


class KafkaNode:
    """A node that can be stopped or killed, and started again on the same data.

    Args:
        address: where clients reach it without TLS or SASL, `host:port`.
        properties: all of its server.properties.
        folder: for its configuration and its log.
        class_path: of Java.
    """

    def __init__(
        self, address: str, properties: Mapping[str, str], folder: Path, class_path: str
    ) -> None:
        self.address = address
        self.log_path = folder / "kafka.log"
        self._config = folder / "server.properties"
        folder.mkdir(parents=True, exist_ok=True)
        self._config.write_text("".join(f"{k}={v}\n" for k, v in properties.items()))
        self._java = [
            java() or "java",
            *("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
            f"-Dlog4j2.configurationFile={LOGGING}",
            *("-cp", class_path),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether its process is there, frozen or not."""
        return self._process is not None and self._process.poll() is None

    def formatting(self, cluster_id: str) -> "subprocess.Popen[bytes]":
        """Starts to lay out its empty data folder; the caller waits for the end."""
        what = ["format", f"--cluster-id={cluster_id}", "--config", str(self._config)]
        return self._run("kafka.tools.StorageTool", *what)

    def start(self) -> None:
        """Starts the process, which answers some seconds later (`wait_until_it_answers`).

        From a thread that lives as long as the node should: the kernel ties the two together.
        """
        assert not self.running
        self._process = self._run("kafka.Kafka", str(self._config))

    def wait_until_it_answers(self, brokers: int = 1, timeout: float = START_TIMEOUT) -> None:
        """Waits until a client is told of so many brokers by it.

        Raises:
            RuntimeError: it ended, or does not answer in time; with the end of its log.
        """
        deadline = time.monotonic() + timeout
        while known_brokers(self.address) < brokers:
            if not self.running:
                raise RuntimeError(f"Kafka ended at once:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise RuntimeError(
                    f"Kafka does not answer within {timeout:g} s:\n{self.log_tail()}"
                )
            time.sleep(0.1)

    def stop(self, timeout: float = 15.0) -> None:
        """Ends it as an operator does (SIGTERM): it hands its partitions over first."""
        if (process := self._process) is not None:
            self.resume()
            process.terminate()
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def kill(self) -> None:
        """Ends it as a power cut does (SIGKILL)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def suspend(self) -> None:
        """Freezes it (SIGSTOP): connections stay, nothing answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets a frozen one go on."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGCONT)

    def log_tail(self, lines: int = 20) -> str:
        """Returns the end of its log."""
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])

    def _run(self, *what: str) -> "subprocess.Popen[bytes]":
        with self.log_path.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-ISc", _LEASHED, *self._java, *what],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl+C reaches the whole foreground group; whoever started us ends the node.
                start_new_session=True,
                env=os.environ,
            )


def known_brokers(bootstrap: str) -> int:
    """Returns how many brokers the one at `bootstrap` tells of; 0 while it does not answer."""
    # A client for each question: one that was refused waits ever longer before it tries again.
    client = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    try:
        return len(client.list_topics(timeout=2).brokers)
    except KafkaException:
        return 0
