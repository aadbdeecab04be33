"""`regrade evaluate`: what it tells before it begins. What it finds is tested with its parts."""

import subprocess
import sys
from math import nan

import pytest

from stream.cli.progress import stages


def test_help_says_what_it_does_and_takes(regrade) -> None:
    ended = regrade("evaluate", "--help")
    assert ended.code == 0
    assert "Example: regrade evaluate --quick --out report" in ended.out
    for option in ("--out", "--quick", "--workers", "--data", "--json"):
        assert option in ended.out


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from stream.cli import main; main(['evaluate', '--help']);"
        "heavy = {'torch', 'numpy', 'numba', 'pennylane', 'sklearn', 'matplotlib'};"
        "heavy &= set(sys.modules); sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("option", [("--workers", "0"), ("--workers", "many"), ("--seeds", "3")])
def test_a_wrong_command_line_is_one_line(regrade, option) -> None:
    ended = regrade("evaluate", *option)
    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert option[0] in ended.err


def test_a_stage_appears_when_it_is_first_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    with stages(quiet=False) as progress:
        progress("tuning", 0, 2, nan)
        progress("tuning", 2, 2, nan)
        progress("training", 1, 4, 0.25)
    shown = capsys.readouterr()
    assert shown.out == ""
    tuning, training = (line for line in shown.err.splitlines() if line.strip())
    assert tuning.startswith("tuning ")
    assert "100%" in tuning
    assert training.startswith("training, loss 0.250 ")
    assert "25%" in training


def test_programs_see_no_bars(capsys: pytest.CaptureFixture[str]) -> None:
    with stages(quiet=True) as progress:
        progress("tuning", 1, 2, nan)
    assert tuple(capsys.readouterr()) == ("", "")
