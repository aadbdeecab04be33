"""`regrade worker`: one or both stages of the line against a cluster."""

from typing import Annotated, Literal

import typer

from stream.cli.options import Bootstrap, Prefix


def worker(
    stage: Annotated[
        Literal["extract", "decide"] | None,
        typer.Option(help="Run this stage alone. [default: both]", show_default=False),
    ] = None,
    bootstrap_servers: Bootstrap = None,
    topic_prefix: Prefix = None,
    group: Annotated[
        str | None,
        typer.Option(help="Its consumer groups are GROUP-extract and GROUP-decide."),
    ] = None,
    shadow: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Decide beside the line, with topics of its own."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="Where a new shadow begins. [default: now]"),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Where a shadow ends. [default: never]")
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            help="Serve the first stage's Prometheus metrics here, the second's at the next."
        ),
    ] = None,
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"] | None, typer.Option(case_sensitive=False)
    ] = None,
) -> int:
    """Extract, join, distil and decide, until SIGTERM or Ctrl-C; what is in flight is finished.

    Start as many as you like: the workers of a group share the partitions. Each stage has a
    process of its own, which this one looks after. The extract stage may be scaled by itself.
    `faust -A stream.app:extract worker` and `faust -A stream.app:decide worker` work too.

    A shadow tries another model or policy on the line's features, without touching anything of
    the line's; `regrade diff` compares.
    """
    from schemas.times import parse_time
    from stream.settings import Settings
    from stream.worker import run_worker

    settings = Settings.load(
        bootstrap_servers=bootstrap_servers,
        topic_prefix=topic_prefix,
        group=group,
        shadow=shadow,
        metrics_port=metrics_port,
        log_level=log_level,
    )
    times = [
        None if text is None else parse_time(option, text)
        for option, text in (("--from", since), ("--until", until))
    ]
    return run_worker(settings, (stage,) if stage else ("extract", "decide"), *times)
