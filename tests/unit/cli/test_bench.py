"""`regrade bench circuit`: a small run, told to programs and to people."""

import json
import subprocess
import sys
import warnings

import pytest

with warnings.catch_warnings():  # PennyLane's dependencies deprecate things among themselves
    warnings.simplefilter("ignore")
    import pennylane  # noqa: F401

SMALL = ("--qubits", "3", "--batch", "4", "--rounds", "2", "--layers", "1")


def test_the_last_line_is_one_object(regrade) -> None:
    ended = regrade("bench", "circuit", *SMALL, "--json")
    assert ended.code == 0
    assert ended.err == ""
    found = json.loads(ended.out.splitlines()[-1])
    settings = {"qubits": 3, "layers": 1, "batch": 4, "rounds": 2, "seed": 0}
    assert settings.items() <= found.items()
    times, steps = found["us_per_sample"], found["us_per_training_step"]
    ours = times["compiled float32"]["median"]
    assert found["over_article"] == pytest.approx(times["article"]["median"] / ours)
    assert found["over_broadcast"] == pytest.approx(times["broadcast"]["median"] / ours)
    assert found["training_over_backprop"] == pytest.approx(
        steps["backprop"]["median"] / steps["exact float32"]["median"]
    )
    assert times["lightning"]["low"] <= times["lightning"]["high"]
    assert found["max_difference"]["inference"]["compiled float64"] < 1e-10


def test_people_get_a_table(regrade) -> None:
    ended = regrade("bench", "circuit", *SMALL)
    assert ended.code == 0
    for shown in ("article", "lightning", "backprop", "over broadcast", "training over backprop"):
        assert shown in ended.out


def test_help_has_an_example(regrade) -> None:
    ended = regrade("bench", "circuit", "--help")
    assert ended.code == 0
    assert "Example: regrade bench circuit" in ended.out


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from stream.cli import main; main(['bench', 'circuit', '--help']);"
        "heavy = {'torch', 'numba', 'numpy', 'pennylane'} & set(sys.modules);"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "option", [("--layers", "5"), ("--qubits", "1"), ("--rounds", "1"), ("--batch", "0")]
)
def test_what_cannot_be_measured_is_a_wrong_command_line(regrade, option) -> None:
    ended = regrade("bench", "circuit", *option)
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert option[0] in ended.err
