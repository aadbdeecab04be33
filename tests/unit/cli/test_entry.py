"""Every command explains itself; what goes wrong is one line that says what to do."""

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from schemas.errors import Malformed
from stream.cli import entry
from stream.cli.errors import USAGE, describe, exit_code
from stream.errors import BrokerUnreachable

COMMANDS = [
    ["demo"],
    ["broker"],
    ["worker"],
    ["topics", "create"],
    ["topics", "check"],
    ["simulate"],
    ["publish"],
    ["decisions"],
    ["diff"],
    ["record"],
    ["inspect"],
    ["replay"],
    ["train"],
    ["evaluate"],
    ["bench", "circuit"],
    ["settings"],
]
NOWHERE = "127.0.0.1:1"


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(regrade, command) -> None:
    ended = regrade(*command, "--help")
    assert ended.code == 0
    assert f"regrade {' '.join(command)}" in ended.out
    assert "Example:" in ended.out


def test_the_list_of_commands_is_complete(regrade) -> None:
    ended = regrade("--help")
    assert ended.code == 0
    assert all(command[0] in ended.out for command in COMMANDS)


def test_the_version(regrade) -> None:
    ended = regrade("--version")
    assert ended.code == 0
    assert ended.out.startswith("regrade 0.")


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from stream.cli import main; main(['demo', '--help']);"
        "heavy = {'torch', 'faust', 'aiokafka', 'numpy', 'fastavro'} & set(sys.modules);"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


WRONG = [
    (["dmeo"], "no such command 'dmeo'"),
    (["demo", "--units", "many"], "should be a valid integer"),
    (["demo", "--units", "0"], "--units"),
    (["publish", "LT-1"], "missing argument"),
    (["decisions", "--group", "mes", "--from-beginning"], "leave one of it and --from-beginning"),
    (["demo", "--record", str(Path(__file__).parent)], "is not empty; name a new folder"),
    (["inspect", "rec", "--export", "parquet"], "--export parquet needs --out"),
    (["train", "--epochs", "1"], "missing option '--out'"),
    (["train", "--out", "w", "--resume"], "--resume needs --checkpoint"),
    (["simulate", "--dropout", "2"], "--dropout"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_a_wrong_command_line_is_one_line(regrade, arguments, message) -> None:
    ended = regrade(*arguments)
    assert ended.code == USAGE
    assert ended.out == ""
    assert message in ended.err.lower()
    assert ended.err.startswith("regrade: ")
    assert ended.err.count("\n") == 1
    assert "--help`" in ended.err


@pytest.mark.parametrize("command", [["topics", "check"], ["topics", "create"], ["worker"]])
def test_no_broker_is_one_line(regrade, monkeypatch, command) -> None:
    monkeypatch.setenv("REGRADE_REQUEST_TIMEOUT", "2")
    ended = regrade(*command, "-b", NOWHERE)
    assert ended.code == 1
    assert ended.err.count("\n") == 1
    assert f"no Kafka broker answers at {NOWHERE}" in ended.err


def test_the_client_library_adds_no_line_of_its_own() -> None:
    """Without pytest's handlers, its warnings and errors go to stderr."""
    command = [sys.executable, "-m", "stream.cli", "topics", "check", "-b", NOWHERE]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"no Kafka broker answers at {NOWHERE} (" in done.stderr


def test_a_wrong_setting_is_one_line(regrade) -> None:
    ended = regrade("topics", "check", "-b", "kafka")
    assert ended.code == 1
    assert "'kafka' is not host:port" in ended.err
    assert ended.err.count("\n") == 1


def test_what_a_plant_supplies_is_checked_before_the_worker_starts(
    regrade, monkeypatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REGRADE_WEIGHTS_PATH", str(tmp_path / "none.safetensors"))
    ended = regrade("worker")
    assert (ended.code, ended.err.count("\n")) == (1, 1)
    assert "`regrade train` makes weights" in ended.err
    monkeypatch.delenv("REGRADE_WEIGHTS_PATH")
    monkeypatch.setenv("REGRADE_QUANTUM__SHOTS", "100")
    ended = regrade("worker")
    assert (ended.code, ended.err.count("\n")) == (1, 1)
    assert "the exact form takes no shots" in ended.err
    monkeypatch.delenv("REGRADE_QUANTUM__SHOTS")
    policy = tmp_path / "policy.yaml"
    policy.write_text("currency: EUR\n")
    monkeypatch.setenv("REGRADE_POLICY_PATH", str(policy))
    ended = regrade("worker")
    assert (ended.code, ended.err.count("\n")) == (1, 1)
    assert str(policy) in ended.err
    monkeypatch.delenv("REGRADE_POLICY_PATH")
    products = tmp_path / "products.yaml"
    products.write_text("labour_rate: 36\n")
    monkeypatch.setenv("REGRADE_DISASSEMBLY_PATH", str(products))
    ended = regrade("worker")
    assert (ended.code, ended.err.count("\n")) == (1, 1)
    assert f"disassembly {products}: goals: Field required" in ended.err


def test_the_extract_stage_needs_nothing_of_what_a_plant_supplies(
    regrade, monkeypatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REGRADE_WEIGHTS_PATH", str(tmp_path / "none.safetensors"))
    monkeypatch.setenv("REGRADE_REQUEST_TIMEOUT", "2")
    ended = regrade("worker", "--stage", "decide", "-b", NOWHERE)
    assert (ended.code, "`regrade train` makes weights" in ended.err) == (1, True)
    ended = regrade("worker", "--stage", "extract", "-b", NOWHERE)
    assert (ended.code, ended.err.count("\n")) == (1, 1)
    assert f"no Kafka broker answers at {NOWHERE}" in ended.err


def test_debug_shows_the_traceback_wherever_it_stands(regrade) -> None:
    for arguments in (["--debug", "topics", "check"], ["topics", "check", "--debug"]):
        ended = regrade(*arguments, "-b", "kafka")
        assert ended.code == 1
        assert "Traceback" in ended.err


def test_a_config_file_is_used_and_a_missing_one_is_told(regrade, tmp_path: Path) -> None:
    config = tmp_path / "plant.toml"
    config.write_text('group = "plant-7"\n')
    ended = regrade("--config", str(config), "settings")
    assert "plant-7" in ended.out
    ended = regrade("--config", str(tmp_path / "none.toml"), "settings")
    assert (ended.code, ended.err.count("\n")) == (1, 1)
    assert "not a file" in ended.err


def test_an_interruption_is_no_success(regrade, monkeypatch) -> None:
    def interrupted(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(entry, "app", interrupted)
    assert regrade("settings").code == 130


def test_what_is_unexpected_asks_for_a_report() -> None:
    assert describe(BrokerUnreachable("no broker")) == "no broker"
    assert describe(Malformed("two\nlines")) == "two lines"
    line = describe(RuntimeError("boom"))
    assert "RuntimeError: boom" in line
    assert "--debug" in line
    assert exit_code(RuntimeError()) == 1
    assert exit_code(typer.BadParameter("x")) == USAGE
