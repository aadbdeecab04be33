"""`regrade topics create` and `regrade topics check`."""

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from stream.cli.options import Bootstrap, Json, Prefix
from stream.cli.output import err, result, table

if TYPE_CHECKING:
    from stream.kafka.topics import TopicReport

app = typer.Typer(no_args_is_help=True, help="Create the topics, or check them.")


@app.command(epilog="Example: regrade topics create -b kafka-1:9092 --partitions 12")
def create(
    bootstrap_servers: Bootstrap = None,
    topic_prefix: Prefix = None,
    partitions: int | None = typer.Option(None, min=1, help="Of each topic that is made."),
    replication_factor: int | None = typer.Option(None, min=1),
    as_json: Json = False,
) -> int:
    """Make the topics that do not exist yet; the others stay as they are. Then check them all."""
    from stream.kafka.topics import check_topics, create_topics
    from stream.settings import Settings

    settings = Settings.load(
        bootstrap_servers=bootstrap_servers,
        topic_prefix=topic_prefix,
        partitions=partitions,
        replication_factor=replication_factor,
    )
    created = asyncio.run(create_topics(settings))
    report = asyncio.run(check_topics(settings))
    if not as_json:
        for name in created:
            typer.echo(f"created {name}")
        existing = len(report.topics) - len(created)
        typer.echo(f"{len(created)} topics created, {existing} were there already")
    return _tell(report, {"created": created} if as_json else None)


@app.command(epilog="Example: regrade topics check --topic-prefix plant1.line3. --json")
def check(
    bootstrap_servers: Bootstrap = None, topic_prefix: Prefix = None, as_json: Json = False
) -> int:
    """Check reachability, partition counts, retention and message sizes; changes nothing."""
    from stream.kafka.topics import check_topics
    from stream.settings import Settings

    settings = Settings.load(bootstrap_servers=bootstrap_servers, topic_prefix=topic_prefix)
    report = asyncio.run(check_topics(settings))
    if not as_json:
        columns = ("topic", "partitions", "replicas", "retention", "largest message")
        rows = (
            (
                state.name,
                "missing" if state.partitions is None else str(state.partitions),
                str(state.replication_factor or "-"),
                _days(state.config.get("retention.ms")),
                state.config.get("max.message.bytes", "-"),
            )
            for state in report.topics
        )
        table(columns, rows)
        if report.ok:
            typer.echo("All topics are as the line needs them.")
    return _tell(report, {} if as_json else None)


def _tell(report: "TopicReport", in_json: dict[str, object] | None) -> int:
    """Tells what is wrong, and to programs everything; the first problem ends the command."""
    if in_json is not None:
        problems = [str(problem) for problem in report.problems]
        result({**in_json, "ok": report.ok, **asdict(report), "problems": problems})
    for warning in report.warnings:
        err().print(f"warning: {warning}", markup=False, soft_wrap=True)
    if report.problems:
        raise report.problems[0]
    return 0


def _days(ms: str | None) -> str:
    return "-" if ms is None else "for ever" if int(ms) < 0 else f"{int(ms) / 86_400_000:.3g} days"
