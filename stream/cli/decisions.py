"""`regrade decisions`: what an MES reads."""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from stream.cli.options import Bootstrap, Prefix

if TYPE_CHECKING:
    from schemas.decision import Decision


def decisions(
    bootstrap_servers: Bootstrap = None,
    topic_prefix: Prefix = None,
    group: Annotated[
        str | None,
        typer.Option(help="Consumer group; it goes on where it stopped the last time."),
    ] = None,
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="All there are, without a group.")
    ] = False,
    follow: Annotated[bool, typer.Option(help="Wait for more, until Ctrl-C.")] = True,
    unit: Annotated[str | None, typer.Option(help="Only of this unit.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line, as on the topic.")
    ] = False,
) -> int:
    """Print decisions as an MES reads them: of each passage only ever a higher revision.

    With a group a decision is committed after it has been printed. Without one, all decisions
    are read from the beginning.
    """
    from stream.clients.decision_reader import DecisionReader
    from stream.settings import Settings

    if group and from_beginning:
        raise typer.BadParameter(
            "--group goes on where it stopped; leave one of it and --from-beginning out"
        )
    settings = Settings.load(bootstrap_servers=bootstrap_servers, topic_prefix=topic_prefix)

    async def read() -> None:
        async with DecisionReader(group=group, follow=follow, settings=settings) as reader:
            async for decision in reader:
                if unit is None or decision.unit_id == unit:
                    print(decision.model_dump_json() if as_json else _line(decision), flush=True)

    # Ctrl-C is how following ends, and no failure.
    with suppress(KeyboardInterrupt):
        asyncio.run(read())
    return 0


def _line(decision: "Decision") -> str:
    from stream.demo.words import finding, removal, seen

    at = decision.decided_at.astimezone().strftime("%H:%M:%S")
    revision = "" if decision.revision == 1 else f" (revision {decision.revision})"
    said = "; ".join(filter(None, (finding(decision), removal(decision), seen(decision))))
    return (
        f"{at}  {decision.unit_id}{revision}  {decision.status}"
        f"  -> {decision.routing.option.value}: {said}"
    )
