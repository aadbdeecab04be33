"""`regrade bench circuit`."""

from dataclasses import asdict
from math import nan
from typing import Annotated

import typer

from stream.cli.options import Json
from stream.cli.output import result, table
from stream.cli.progress import stages

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
    names = ("over_article", "over_broadcast", "training_over_backprop")
    ratios = {name: getattr(report, name) for name in names}
    if as_json:
        given = {"qubits": qubits, "layers": layers, "batch": batch, "rounds": rounds, "seed": seed}
        found = asdict(report)
        result(
            {
                **given,
                **ratios,
                "us_per_sample": found["inference"],
                "us_per_training_step": found["training"],
                "max_difference": found["differences"],
            }
        )
        return 0
    for heading, timings, differences in (
        ("us a sample", report.inference, report.differences["inference"]),
        ("us a training step", report.training, report.differences["training"]),
    ):
        rows = (
            (
                way,
                _us(timing.median),
                f"{_us(timing.low)} to {_us(timing.high)}",
                f"{differences[way]:.1g}" if way in differences else "reference",
            )
            for way, timing in timings.items()
        )
        table((heading, "median", "quartiles", "largest difference"), rows)
        typer.echo()
    for name, ratio in ratios.items():
        typer.echo(f"{name.replace('_', ' ')}: {ratio:,.0f} times")
    return 0


def _us(time: float) -> str:
    return f"{time:,.0f}" if time >= 100 else f"{time:.3g}"
