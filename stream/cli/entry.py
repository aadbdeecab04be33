"""The entry point: which commands there are, and how what goes wrong is told."""

import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from stream.cli import (
    bench,
    broker,
    decisions,
    demo,
    diff,
    evaluate,
    inspect,
    publish,
    record,
    replay,
    settings,
    simulate,
    topics,
    train,
    worker,
)
from stream.cli.errors import INTERRUPTED, describe, exit_code

DEBUG = "--debug"

app = typer.Typer(
    name="regrade",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(epilog="Example: regrade demo --units 300 --seed 7")(demo.demo)
app.command(epilog="Example: regrade broker --port 9092")(broker.broker)
app.command(epilog="Example: regrade worker -b kafka-1:9092 --stage extract")(worker.worker)
app.add_typer(topics.app, name="topics")
app.command(epilog="Example: regrade simulate --units 1000 --rate 50 --dropout 0.2")(
    simulate.simulate
)
app.command(epilog="Example: regrade publish LT-000017 lid.jpg --source cam-2")(publish.publish)
app.command(epilog="Example: regrade decisions --from-beginning --no-follow --json")(
    decisions.decisions
)
app.command(epilog="Example: regrade record monday --from now --until 2026-11-25T18:00:00Z")(
    record.record
)
app.command(epilog="Example: regrade inspect monday --export parquet --out monday.parquet")(
    inspect.inspect
)
app.command(epilog="Example: regrade replay monday --offline --out monday-again --threads 4")(
    replay.replay
)
app.command(epilog="Example: regrade diff yesterday/ today/ --html changes.html")(diff.diff)
app.command(epilog="Example: regrade train --out w.safetensors --checkpoint run.ckpt --resume")(
    train.train
)
app.command(epilog="Example: regrade evaluate --quick --out report")(evaluate.evaluate)
app.add_typer(bench.app, name="bench")
app.command(epilog="Example: REGRADE_WINDOW=45 regrade settings")(settings.settings)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"regrade {version('regrade')}")
        raise typer.Exit


@app.callback()
def regrade(
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="TOML file of settings, in place of ./regrade.toml."),
    ] = None,
    debug: Annotated[bool, typer.Option(DEBUG, help="Show a traceback when it fails.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="And exit.")
    ] = False,
) -> None:
    """Decides what happens to returned products: six modalities in, one explained decision out."""
    if config is not None:
        from stream.settings import CONFIG_VARIABLE

        os.environ[CONFIG_VARIABLE] = str(config)  # also for worker processes that we start


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The process's exit code: 0 only for success, 2 for a wrong command line, 1 otherwise.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    # Wherever it stands: it is typed behind the command that has just failed.
    debug = DEBUG in given
    given = [argument for argument in given if argument != DEBUG]
    try:
        result = app(args=given, prog_name="regrade", standalone_mode=False)
    except KeyboardInterrupt:
        print("regrade: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # `regrade decisions | head`
        sys.stdout = None  # so that the interpreter's own flush does not fail
        return 1
    except Exception as error:
        if debug:
            traceback.print_exc()
        if line := describe(error):
            print(f"regrade: {line}", file=sys.stderr)
        return exit_code(error)
    return result if isinstance(result, int) else 0
