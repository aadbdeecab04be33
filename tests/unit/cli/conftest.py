"""Running the command line within the test's process."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from stream.cli import main


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Ended]


@pytest.fixture
def regrade(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """`regrade(*arguments)`, as from a shell."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> Ended:
        code = main(arguments)
        captured = capsys.readouterr()
        return Ended(code, captured.out, captured.err)

    return run
