"""The Faust apps as Faust's own command line finds them, and where metrics are served."""

import socket
from pathlib import Path

import pytest

import stream.app
from agents.metrics import Metrics
from stream.errors import SettingsError
from stream.settings import Settings


@pytest.mark.parametrize("name", ["extract", "decide"])
def test_each_access_gives_the_same_app(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    monkeypatch.setenv("REGRADE_DATADIR", str(tmp_path))
    stream.app._app.cache_clear()
    app = getattr(stream.app, name)
    assert app is getattr(stream.app, name)
    assert app.conf.id == f"regrade-{name}"
    stream.app._app.cache_clear()


def test_nothing_else_is_made_up() -> None:
    with pytest.raises(AttributeError, match="worker"):
        _ = stream.app.worker


def test_a_port_that_is_taken_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        settings = Settings(metrics_port=port - 1, datadir=tmp_path)
        with pytest.raises(SettingsError, match=f"cannot serve at 127.0.0.1:{port} .*free"):
            stream.app.serve_metrics(settings, Metrics(), 1)
