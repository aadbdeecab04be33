"""kcat, as a shell script would use it: a client that is not ours and lets anything through."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

import pytest

from stream.settings import Settings


@dataclass(frozen=True)
class Kcat:
    """The installed kcat, and the environment in which it speaks with the session's broker."""

    path: str
    environment: dict[str, str]
    folder: Path

    def send(self, settings: Settings, topic: str, value: bytes, *options: str | bytes) -> None:
        """One record with a kcat of its own; `options` as on its command line."""
        file = self.folder / "record"
        file.write_bytes(value)
        command = [self.path, "-P", "-b", settings.bootstrap_servers, "-t", topic]
        done = subprocess.run(
            [*command, *options, str(file)],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stderr


@pytest.fixture
def kcat(broker_kind: str, tmp_path: Path) -> Kcat:
    path = shutil.which("kcat") or shutil.which("kafkacat")
    if path is None:
        pytest.skip("kcat is not installed, so nothing was sent with it; .ci/run installs it")
    environment = dict(os.environ)
    if broker_kind == "embedded":
        # It answers ApiVersions a byte short, and the librdkafka of Debian 12 (2.0) gives up on
        # that. kcat then runs on the newer one that confluent-kafka brings along.
        wheel = Path(str(distribution("confluent-kafka").locate_file("confluent_kafka.libs")))
        environment["LD_PRELOAD"] = str(next(wheel.glob("librdkafka-*.so*"), ""))
    return Kcat(path, environment, tmp_path)
