"""`regrade train`: how the weights come about."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from stream.cli.options import Json
from stream.cli.output import result, table
from stream.cli.progress import stages


def train(
    context: typer.Context,
    weights: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            dir_okay=False,
            help="The weights; the model card lies beside them, as .json.",
        ),
    ],
    seed: Annotated[
        int | None, typer.Option(help="Of initial weights, order and modality dropout.")
    ] = None,
    data_seed: Annotated[int | None, typer.Option(help="Of the simulated units.")] = None,
    train_units: Annotated[
        int | None, typer.Option("--units", min=1, help="Labelled, to train on.")
    ] = None,
    unlabelled_units: Annotated[
        int | None, typer.Option(min=0, help="Without labels; the teacher says what it thinks.")
    ] = None,
    from_recording: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            help="Recorded units in place of simulated ones without labels.",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="The truth of recorded units, a JSON object a line."
        ),
    ] = None,
    recorded_units: Annotated[
        int, typer.Option(min=1, help="Of the recording, at most: the last.")
    ] = 24_000,
    validation_units: Annotated[
        int | None, typer.Option(min=1, help="Held out for the temperatures.")
    ] = None,
    test_units: Annotated[int | None, typer.Option(min=1, help="Held out for the figures.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Of the student.")] = None,
    circuit_epochs: Annotated[int | None, typer.Option(min=1, help="Of its circuits.")] = None,
    teacher_epochs: Annotated[int | None, typer.Option(min=1)] = None,
    generations: Annotated[
        int | None,
        typer.Option(
            min=1, help="Of students, each taught by the one before; 2 where few units have labels."
        ),
    ] = None,
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
    """Train the distiller on simulated units; without more options, as for the weights that ship.

    The same options give the same bytes. `REGRADE_WEIGHTS_PATH` tells workers to use them.
    """
    if resume and checkpoint is None:
        raise typer.BadParameter("--resume needs --checkpoint FILE to go on from")
    if labels is not None and from_recording is None:
        raise typer.BadParameter("--labels are of the units of --from-recording DIR")
    from agents.lab.training.training import TrainConfig
    from agents.lab.training.training import train as run

    # The parameters are the configuration's fields; those that were not given are as it has them.
    given = {name: value for name, value in context.params.items() if value is not None}
    for other in ("as_json", "from_recording", "labels", "recorded_units"):
        given.pop(other, None)
    recorded = None
    if from_recording is not None:
        from stream.replay.training import gather
        from stream.settings import Settings

        found = gather(Settings.load(), from_recording, labels, limit=recorded_units)
        typer.echo(found.summary, err=True)
        recorded, given["recorded"] = found.units, f"{from_recording.name}: {found.summary}"
    with stages(quiet=as_json) as progress:
        try:
            trained = run(TrainConfig(**given), progress, recorded)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
    if as_json:
        result(asdict(trained))
        return 0
    metrics = trained.metrics
    accuracies = {
        "teacher, all six": metrics["teacher"]["accuracy"],
        **{f"tier {tier}, all six": found["accuracy"] for tier, found in metrics["tiers"].items()},
        **{f"{modality} alone": found for modality, found in metrics["single"].items()},
    }
    heads = list(metrics["all"])
    rows = (
        (shown, *(f"{100 * found[head]:.1f}" for head in heads))
        for shown, found in accuracies.items()
    )
    table(("on units held out, %", *heads), rows)
    typer.echo(f"{trained.weights} (sha256 {trained.sha256[:12]}...) in {trained.seconds:.0f} s")
    return 0
