"""What the apps of a worker share: where their metrics are served."""

import socket
from pathlib import Path

import pytest

from agents.metrics import Metrics
from stream.app import serve_metrics
from stream.errors import SettingsError
from stream.settings import Settings


def test_a_port_that_is_taken_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        settings = Settings(metrics_port=port - 1, datadir=tmp_path)
        with pytest.raises(SettingsError, match=f"cannot serve at 127.0.0.1:{port} .*free"):
            serve_metrics(settings, Metrics(), 1)
