"""`regrade bench circuit`."""

from math import nan
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli.options import Json
from stream.cli.output import out, result
from stream.cli.progress import stages

if TYPE_CHECKING:
    from agents.lab.circuit_benchmark.benchmark import Report
    from agents.lab.circuit_benchmark.timing import Timing

app = typer.Typer(no_args_is_help=True, help="Measure how fast it is.")


@app.command(epilog="Example: regrade bench circuit --layers 3 --json")
def circuit(
    qubits: Annotated[int, typer.Option(min=2, max=10)] = 8,
    layers: Annotated[int, typer.Option(min=1, max=4)] = 2,
    batch: Annotated[int, typer.Option(min=1, help="Samples given at once.")] = 256,
    rounds: Annotated[int, typer.Option(min=2, help="How often each way is timed.")] = 15,
    seed: Annotated[int, typer.Option(help="Of angles and weights.")] = 0,
    as_json: Json = False,
) -> int:
    """Time one circuit: PennyLane's simulators against the exact form, on one thread.

    All ways must agree, or there is no result. Times are medians and quartiles; the ratios hold on
    a busy machine too, because the ways take turns.
    """
    import os

    os.environ.setdefault("OMP_NUM_THREADS", "1")  # lightning.qubit reads it as it is loaded
    from agents.lab.circuit_benchmark.benchmark import benchmark

    with stages(quiet=as_json) as bar:
        report = benchmark(
            qubits, layers, batch, seed, rounds, lambda done, of: bar("timing", done, of, nan)
        )
    given = {"qubits": qubits, "layers": layers, "batch": batch, "rounds": rounds, "seed": seed}
    if as_json:
        result({**given, **_as_json(report)})
    else:
        _show(report)
    return 0


def _as_json(report: "Report") -> dict[str, Any]:
    from dataclasses import asdict

    return {
        **_ratios(report),
        "us_per_sample": {way: asdict(timing) for way, timing in report.inference.items()},
        "us_per_training_step": {way: asdict(timing) for way, timing in report.training.items()},
        "max_difference": report.differences,
    }


def _ratios(report: "Report") -> dict[str, float]:
    return {
        "over_article": report.over_article,
        "over_broadcast": report.over_broadcast,
        "training_over_backprop": report.training_over_backprop,
    }


def _show(report: "Report") -> None:
    from rich.table import Table

    parts = (
        ("us a sample", report.inference, report.differences["inference"]),
        ("us a training step", report.training, report.differences["training"]),
    )
    for heading, timings, differences in parts:
        table = Table(heading, box=None)
        for column in ("median", "quartiles", "largest difference"):
            table.add_column(column, justify="right")
        for way, timing in timings.items():
            difference = f"{differences[way]:.1g}" if way in differences else "reference"
            table.add_row(way, _us(timing.median), _quartiles(timing), difference)
        out().print(table)
        typer.echo()
    for name, ratio in _ratios(report).items():
        typer.echo(f"{name.replace('_', ' ')}: {ratio:,.0f} times")


def _quartiles(timing: "Timing") -> str:
    return f"{_us(timing.low)} to {_us(timing.high)}"


def _us(time: float) -> str:
    return f"{time:,.0f}" if time >= 100 else f"{time:.3g}"
