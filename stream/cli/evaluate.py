"""`regrade evaluate`: what the distiller is worth."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from stream.cli.options import Json
from stream.cli.output import result
from stream.cli.progress import stages


def evaluate(
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", file_okay=False, help="A folder for report.md, figures and report.json."
        ),
    ] = Path("report"),
    quick: Annotated[
        bool, typer.Option("--quick", help="Every part, small: a look in minutes, not a finding.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes. [default: one a core]")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Keeps the simulated units between runs. [default: nowhere]")
    ] = None,
    as_json: Json = False,
) -> int:
    """Measure the distiller against its controls and write a report.

    The circuit against its classical twin and others with every set of modalities, distillation,
    unseen device models, tiers and cascade, noise, and real data from packages. The full run takes
    about an hour on two cores. Needs `pip install 'regrade\\[evaluate]'`.
    """
    for package in ("matplotlib", "sklearn"):
        if find_spec(package) is None:
            from stream.errors import MissingExtra

            raise MissingExtra(
                f"{package} is not installed; run `pip install 'regrade[evaluate]'` for evaluations"
            )
    from agents.lab.evaluation.config import EvaluationConfig
    from agents.lab.evaluation.report import evaluate as run

    cores = workers or os.cpu_count() or 1
    make = EvaluationConfig.quick if quick else EvaluationConfig
    config = make(workers=cores, folder=data)
    command = "regrade evaluate --quick" if quick else "regrade evaluate"
    with stages(quiet=as_json) as progress:
        report = run(config, out, command, progress)
    if as_json:
        result({"report": report.markdown, "figures": report.figures, "seconds": report.seconds})
    else:
        typer.echo(f"{report.markdown} in {report.seconds:.0f} s")
    return 0
