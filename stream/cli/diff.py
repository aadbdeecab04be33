"""`regrade diff`: what two sets of decisions do not agree on."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream.cli.errors import USAGE, ended_with
from stream.cli.options import Bootstrap, Json

if TYPE_CHECKING:
    from stream.replay.diff import Comparison, Pair, Report, Source

SHOWN = 10
"""Differing stays that the screen gets."""


def diff(
    a: Annotated[str, typer.Argument(help="A: a recording, a file of JSON lines, or a topic.")],
    b: Annotated[str, typer.Argument(help="B: what it is compared with.")],
    html: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write a page for people to this file.")
    ] = None,
    tolerance: Annotated[
        float, typer.Option(min=0, max=1, help="By how much confidences may differ.")
    ] = 0.01,
    ignore: Annotated[
        list[str] | None,
        typer.Option(metavar="ASPECT", help="Not a difference, such as confidence or revision."),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Only stays that opened then.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only stays that opened before.")
    ] = None,
    worst: Annotated[
        int, typer.Option(min=0, help="Differing stays that are listed; 0: all.")
    ] = 100,
    policy: Annotated[
        Path | None,
        typer.Option(help="The table for value and CO2. [default: as in the settings]"),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Compare two topics live, until Ctrl-C.")
    ] = False,
    seconds: Annotated[
        float | None, typer.Option("--for", metavar="SECONDS", help="Follow for so long.")
    ] = None,
    patience: Annotated[
        float, typer.Option(min=0, help="Seconds that the other side may take, when following.")
    ] = 60.0,
    bootstrap_servers: Bootstrap = None,
    as_json: Json = False,
) -> int:
    """Say what two sets of decisions do not agree on, the worst first.

    A and B: DIR is a recording (DIR#TOPIC where it has several topics of decisions), FILE has one
    decision a line, any other name is a topic; topic://HOST:PORT/NAME is one of another cluster.

    Stays are matched by unit and evidence. Exit code 0: no difference; 1: some; 2: it failed.
    """
    with ended_with(USAGE):
        from agents.decide.policy import Policy
        from schemas.times import parse_time
        from stream.replay.diff import ASPECTS, Comparison, source_of
        from stream.settings import Settings

        if unknown := sorted(set(ignore or ()) - set(ASPECTS)):
            raise typer.BadParameter(f"--ignore {unknown[0]}: one of {', '.join(ASPECTS)}")
        if html is not None and not html.parent.is_dir():
            raise typer.BadParameter(f"--html: there is no folder {html.parent}")
        settings = Settings.load(bootstrap_servers=bootstrap_servers, policy_path=policy)
        comparison = Comparison(
            Policy.load(settings.policy_path),
            tolerance=tolerance,
            ignore=ignore or (),
            since=None if since is None else parse_time("--from", since),
            until=None if until is None else parse_time("--until", until),
        )
        sources = [source_of(name, settings, follow=follow) for name in (a, b)]
        awaited: Sequence[str] = ()
        if follow:
            awaited = _follow(comparison, sources, patience, seconds, as_json=as_json)
        else:
            asyncio.run(_read(comparison, sources))
        report = comparison.report(worst or None, awaited)
        if html is not None:
            from stream.replay.diff.page import page

            html.write_text(page(report, sources, tolerance), "utf-8")
        _show(report, sources, as_json=as_json)
    return 0 if report.same else 1


async def _read(comparison: "Comparison", sources: Sequence["Source"]) -> None:
    from stream.cli.output import err

    with err().status("") as status:
        for side, source in enumerate(sources):
            count = 0
            async for decision in source.decisions():
                comparison.add(side, decision)
                count += 1
                if count % 1000 == 0:
                    status.update(f"{source.name}: {count:,} decisions")


def _follow(
    comparison: "Comparison",
    sources: Sequence["Source"],
    patience: float,
    seconds: float | None,
    *,
    as_json: bool,
) -> Sequence[str]:
    """Tells of differing units as they come; returns the units that are not judged yet."""
    from stream.cli.output import result
    from stream.replay.diff.follow import Following
    from stream.replay.diff.words import in_words, pair_json

    def tell(unit_id: str, differing: Sequence["Pair"]) -> None:
        if as_json:
            result({"unit_id": unit_id, "differing": [pair_json(pair) for pair in differing]})
        else:
            said = ". ".join(map(in_words, differing)) or "no difference any more"
            print(f"{unit_id}: {said}", flush=True)

    following = Following(comparison, sources, tell, patience)
    # Ctrl-C is how following ends, and no failure.
    with suppress(KeyboardInterrupt):
        asyncio.run(following.run(seconds))
    return tuple(following.awaited)


def _show(report: "Report", sources: Sequence["Source"], *, as_json: bool) -> None:
    from rich.markup import escape
    from rich.table import Table

    from stream.cli.output import err, out, result
    from stream.replay.diff.words import in_words, options_of, report_json, warnings

    for warning in warnings(sources):
        err().print(f"regrade: {warning}", markup=False)
    if as_json:
        result(report_json(report, sources))
        return
    screen = out()
    for side, source, decisions in zip("AB", sources, report.decisions, strict=True):
        screen.print(f"{side} {source.name}: {decisions:,} decisions", markup=False)
    if report.awaited:
        screen.print(f"{report.awaited:,} stays are still awaited on one side.")
    if report.same:
        screen.print(f"No difference in {report.pairs:,} stays.")
        return
    aspects = ", ".join(f"{name} {count:,}" for name, count in report.aspects.most_common())
    screen.print(f"{report.different:,} stays differ ({report.pairs:,} are in both): {aspects}.")
    gained, lost, currency = report.gained, report.lost, report.currency
    screen.print(
        f"B gains {gained.money:,.2f} {currency} and {gained.co2:,.2f} kg CO2e, and loses"
        f" {-lost.money:,.2f} {currency} and {-lost.co2:,.2f} kg CO2e, as the decisions expect."
    )
    # Others may name units and options as they like.
    options = options_of(report)
    heads = map(escape, options)
    table = Table("A \\ B", *heads, title="Stays by routing option", title_justify="left")
    for row in options:
        table.add_row(escape(row), *(str(report.options[row, column] or "") for column in options))
    screen.print(table)
    table = Table("unit", currency, "kg CO2e", "A → B", title="The worst", title_justify="left")
    for pair in report.worst[:SHOWN]:
        money, co2 = (f"{gain:+.2f}" if gain else "" for gain in pair.gain)
        table.add_row(escape(pair.either.unit_id), money, co2, escape(in_words(pair)))
    screen.print(table)
