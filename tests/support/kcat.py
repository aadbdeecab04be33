"""kcat, as a shell script would use it: a client that is not ours and lets anything through.

Tests with it are `real_kafka`: that of Debian 12 cannot speak with the embedded broker, as its
librdkafka 2.0 gives up on an ApiVersions answer that is a byte short.
"""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from stream.settings import Settings


@dataclass(frozen=True)
class Kcat:
    """The installed kcat."""

    path: str
    folder: Path

    def send(self, settings: Settings, topic: str, value: bytes, *options: str | bytes) -> None:
        """One record with a kcat of its own; `options` as on its command line."""
        file = self.folder / "record"
        file.write_bytes(value)
        command = [self.path, "-P", "-b", settings.bootstrap_servers, "-t", topic]
        done = subprocess.run(
            [*command, *options, str(file)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stderr


@pytest.fixture
def kcat(tmp_path: Path) -> Kcat:
    path = shutil.which("kcat") or shutil.which("kafkacat")
    if path is None:
        pytest.skip("kcat is not installed, so nothing was sent with it; .ci/run installs it")
    return Kcat(path, tmp_path)
