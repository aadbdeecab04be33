"""Where a demo is shown: a live board on a terminal, plain lines everywhere else."""

import contextlib
import threading
from collections.abc import Iterator

from rich.console import Console
from rich.live import Live

from stream.demo.board import board
from stream.demo.demo import DemoPlan, Screen
from stream.demo.tally import Tally

FRAMES_A_SECOND = 4
LINE_EVERY = 2.0


def screen_on(console: Console) -> Screen:
    """The screen that suits the console."""
    return BoardScreen(console) if console.is_terminal else PlainScreen(console)


class PlainScreen:
    """One line a step, and one every few seconds while the line runs: for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def step(self, text: str) -> None:
        self.console.print(text, soft_wrap=True, markup=False)

    @contextlib.contextmanager
    def showing(self, plan: DemoPlan, tally: Tally) -> Iterator[None]:
        done = threading.Event()

        def report() -> None:
            while not done.wait(LINE_EVERY):
                self.step(progress_line(tally))

        # A thread, since the event loop has a line to run.
        thread = threading.Thread(target=report, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
            self.step(progress_line(tally))


class BoardScreen(PlainScreen):
    """The live board."""

    @contextlib.contextmanager
    def showing(self, plan: DemoPlan, tally: Tally) -> Iterator[None]:
        title = f"Regrade: {plan.units} returned laptops, seed {plan.seed}"
        with Live(
            console=self.console,
            get_renderable=lambda: board(title, tally),
            refresh_per_second=FRAMES_A_SECOND,
            transient=False,
        ):
            yield


def progress_line(tally: Tally) -> str:
    """Where the line stands."""
    return (
        f"{tally.sent} of {tally.total} records sent,"
        f" {tally.decided} of {tally.passages} units decided,"
        f" {tally.late} late, {tally.dead_letters} dead letters"
    )
