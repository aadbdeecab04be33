"""`regrade train`: how the weights come about."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli.options import Json
from stream.cli.output import err, result

if TYPE_CHECKING:
    from agents.distiller.training import Progress, TrainResult


def train(
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The weights; the model card lies beside them, as .json."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of initial weights, order and modality dropout.")
    ] = None,
    data_seed: Annotated[int | None, typer.Option(help="Of the simulated units.")] = None,
    units: Annotated[int | None, typer.Option(min=1, help="To train on.")] = None,
    validation_units: Annotated[
        int | None, typer.Option(min=1, help="Held out for the temperatures.")
    ] = None,
    test_units: Annotated[int | None, typer.Option(min=1, help="Held out for the figures.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1)] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Written after every epoch. [default: none]")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that simulate.")] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Of torch; the bytes depend on how many.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Train the distiller on simulated units; without options, as for the weights that ship.

    The same options give the same bytes. Without --out the weights of this installation are
    replaced.
    """
    if resume and checkpoint is None:
        raise typer.BadParameter("--resume needs --checkpoint FILE to go on from")
    from agents.distiller.training import TrainConfig
    from agents.distiller.training import train as run

    given = {
        "weights": out,
        "seed": seed,
        "data_seed": data_seed,
        "train_units": units,
        "validation_units": validation_units,
        "test_units": test_units,
        "epochs": epochs,
        "checkpoint": checkpoint,
        "workers": workers,
        "threads": threads,
    }
    assert set(given) <= {field.name for field in fields(TrainConfig)}
    chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    with _progress_bar(quiet=as_json) as progress:
        try:
            trained = run(TrainConfig(**chosen, resume=resume), progress)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
    if as_json:
        result(_as_json(trained))
    else:
        _show(trained)
    return 0


@contextmanager
def _progress_bar(*, quiet: bool) -> Iterator["Progress"]:
    from rich.progress import Progress, TimeElapsedColumn

    columns = (*Progress.get_default_columns(), TimeElapsedColumn())
    with Progress(*columns, console=err(), disable=quiet) as bars:
        simulated = bars.add_task("simulating units", total=None)
        trained = bars.add_task("training", total=None, visible=False)

        def progress(epoch: int, epochs: int, step: int, steps: int, loss: float) -> None:
            if epoch == 0:
                bars.update(simulated, completed=step, total=steps)
                return
            done, total = (epoch - 1) * steps + step, epochs * steps
            text = f"epoch {epoch} of {epochs}, loss {loss:.3f}"
            bars.update(trained, completed=done, total=total, description=text, visible=True)

        yield progress


def _as_json(trained: "TrainResult") -> dict[str, Any]:
    return {
        "weights": str(trained.weights),
        "card": str(trained.card),
        "sha256": trained.sha256,
        "metrics": trained.metrics,
        "losses": [round(loss, 4) for loss in trained.losses],
        "seconds": round(trained.seconds, 1),
    }


def _show(trained: "TrainResult") -> None:
    from rich.table import Table

    from stream.cli.output import out as stdout

    accuracies: dict[str, dict[str, float]] = {
        "all six": trained.metrics["all"],
        **{f"{shown} alone": found for shown, found in trained.metrics["single"].items()},
    }
    heads = list(trained.metrics["all"])
    table = Table("on units held out, %", box=None)
    for head in heads:
        table.add_column(head, justify="right")
    for shown, found in accuracies.items():
        table.add_row(shown, *(f"{100 * found[head]:.1f}" for head in heads))
    stdout().print(table)
    typer.echo(f"{trained.weights} (sha256 {trained.sha256[:12]}...) in {trained.seconds:.0f} s")
