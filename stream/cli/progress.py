"""Progress bars of long work, one a stage."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import isnan
from typing import TYPE_CHECKING

from stream.cli.output import err

if TYPE_CHECKING:
    from agents.lab.training.fitting import Progress


@contextmanager
def stages(*, quiet: bool) -> Iterator["Progress"]:
    """Bars on stderr; a stage appears when it is first told of."""
    from rich.progress import Progress, TaskID, TimeElapsedColumn

    columns = (*Progress.get_default_columns(), TimeElapsedColumn())
    with Progress(*columns, console=err(), disable=quiet) as bars:
        tasks: dict[str, TaskID] = {}

        def progress(stage: str, done: int, total: int, loss: float) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            text = stage if isnan(loss) else f"{stage}, loss {loss:.3f}"
            bars.update(tasks[stage], completed=done, total=total, description=text)

        yield progress
