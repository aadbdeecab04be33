"""What goes wrong, as one line that says what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""
TERMINATED = 143
"""128 + SIGTERM."""
USAGE = 2

# Typer has its own copy of click, whose exceptions it does not all export.
_CLICK_ERROR: Any = typer.BadParameter.__mro__[2]


class Ended(Exception):
    """A command failed with an exit code of its own; what it failed with is the cause."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@contextmanager
def ended_with(code: int) -> Iterator[None]:
    """Gives this exit code to whatever is raised within, where 1 has a meaning of its own."""
    try:
        yield
    except Exception as error:
        raise Ended(code) from error


def describe(error: BaseException) -> str:
    """One line on an error that ended a command; empty where help has already been shown."""
    if isinstance(error, Ended) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, _CLICK_ERROR):
        return _usage(error)
    if isinstance(error, typer.Abort):
        return "aborted"
    from schemas.errors import RegradeError  # numpy and more; not for `--help`

    text = _line(str(error))
    if isinstance(error, RegradeError):
        return text
    return (
        f"unexpected {type(error).__name__}{': ' if text else ''}{text};"
        " run it again with --debug, and report the traceback"
    )


def exit_code(error: BaseException) -> int:
    if isinstance(error, Ended):
        return error.code
    return USAGE if isinstance(error, _CLICK_ERROR) else 1


def _usage(error: Any) -> str:
    message = _line(error.format_message()).rstrip(".")
    if not message:  # no arguments at all: the help text says it
        return ""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "regrade"
    return f"{message[:1].lower()}{message[1:]}; see `{path} --help`"


def _line(text: str) -> str:
    return " ".join(text.split())
