"""`regrade replay`: a recording again, into a cluster or without one."""

import asyncio
import contextlib
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from stream.cli.options import Bootstrap, Json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stream.replay.player import Player
    from stream.replay.recording import Damage

CLUSTER, OFFLINE = "Into a cluster", "Without a broker"
TICK = 0.2


def replay(
    recording: Annotated[Path, typer.Argument(help="A folder that `regrade record` has made.")],
    bootstrap_servers: Bootstrap = None,
    topic_prefix: Annotated[
        str | None,
        typer.Option(
            "--topic-prefix",
            metavar="PREFIX",
            help="Of the topics that are replayed into; offline, of the line in the recording.",
        ),
    ] = None,
    start: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only records of this time or later.")
    ] = None,
    end: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only records of an earlier time.")
    ] = None,
    rate: Annotated[
        str, typer.Option(help="Of time: 0.1, 1, 20, or max.", rich_help_panel=CLUSTER)
    ] = "1",
    start_paused: Annotated[
        bool,
        typer.Option("--start-paused", help="Wait for a key first.", rich_help_panel=CLUSTER),
    ] = False,
    loop: Annotated[
        bool, typer.Option("--loop", help="Again and again.", rich_help_panel=CLUSTER)
    ] = False,
    topics: Annotated[
        str | None,
        typer.Option(
            help="Recorded topics or patterns such as '*', by commas. [default: of observations]",
            show_default=False,
            rich_help_panel=CLUSTER,
        ),
    ] = None,
    units: Annotated[
        str | None,
        typer.Option(
            help="Only these units, names or patterns, by commas.", rich_help_panel=CLUSTER
        ),
    ] = None,
    remap: Annotated[
        list[str] | None,
        typer.Option(metavar="A=B", help="Topic A goes by B.", rich_help_panel=CLUSTER),
    ] = None,
    shift_to_now: Annotated[
        bool,
        typer.Option(
            "--shift-to-now",
            help="As if all were of now; else times stay as recorded.",
            rich_help_panel=CLUSTER,
        ),
    ] = False,
    rekey: Annotated[
        bool,
        typer.Option(
            "--rekey", help="Partitions by key, not as recorded.", rich_help_panel=CLUSTER
        ),
    ] = False,
    replay_of: Annotated[
        bool,
        typer.Option(
            "--replay-of",
            help="A header regrade.replay-of tells where each record had lain.",
            rich_help_panel=CLUSTER,
        ),
    ] = False,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=SHARE",
            help="drop, delay, duplicate, reorder, corrupt: drop=0.01, delay=0.05:120 (s).",
            rich_help_panel=CLUSTER,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the faults.", rich_help_panel=CLUSTER)] = 1,
    i_know: Annotated[
        bool,
        typer.Option(
            "--i-know", help="Also into topics that hold records.", rich_help_panel=CLUSTER
        ),
    ] = False,
    offline: Annotated[
        bool,
        typer.Option(
            "--offline", help="Decide it here, as fast as it goes.", rich_help_panel=OFFLINE
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            file_okay=False,
            help="For the recording of decisions.",
            rich_help_panel=OFFLINE,
        ),
    ] = None,
    source: Annotated[
        Literal["raw", "features"] | None,
        typer.Option(
            "--from",
            help="[default: features where they fit the model]",
            show_default=False,
            rich_help_panel=OFFLINE,
        ),
    ] = None,
    threads: Annotated[
        int, typer.Option(min=1, help="Processes that share the work.", rich_help_panel=OFFLINE)
    ] = 1,
    batch: Annotated[
        int,
        typer.Option(min=1, help="Records at a time; changes nothing.", rich_help_panel=OFFLINE),
    ] = 2_000,
    as_json: Json = False,
) -> int:
    """Replay a recording: what stations sent, in time order, into a line's topics.

    With --offline no broker is needed: it is decided by the model, the policy and the settings of
    here and now, and `regrade diff` compares that with what was decided then.
    """
    from stream.replay.recording import Recording
    from stream.settings import Settings

    if offline != (out is not None):
        raise typer.BadParameter("--offline and --out DIR belong together")
    span = {"start": _time("--start", start), "end": _time("--end", end)}
    settings = Settings.load(bootstrap_servers=bootstrap_servers, topic_prefix=topic_prefix)
    began = time.monotonic()
    if out is not None:
        from stream.replay.offline import replay_offline

        Recording(recording)  # what is wrong with it is said before the model loads
        with _counting(quiet=as_json) as progress:
            done = replay_offline(
                settings,
                recording,
                out,
                source=source,
                threads=threads,
                batch=batch,
                progress=progress,
                **span,
            )
        found: dict[str, Any] = {"from": done.source, "replayed": done.records, "out": str(out)}
        _tell(found, done.left, done.damage, began, as_json=as_json)
        return 0

    from stream.replay.faults import Faults
    from stream.replay.player import Player
    from stream.replay.replay import Plan, Replay

    player = Player(_rate(rate), paused=start_paused)
    plan = Plan(
        topics=_listed(topics),
        units=_listed(units),
        remap=dict(_renamed(each) for each in remap or ()),
        shift_to_now=shift_to_now,
        rekey=rekey,
        replay_of=replay_of,
        loop=loop,
        i_know=i_know,
        faults=Faults.read(fault or (), seed),
        **span,
    )
    replaying = Replay(settings, recording, plan, player)
    with contextlib.suppress(KeyboardInterrupt):  # that is how one ends a loop
        asyncio.run(_play(replaying, player, quiet=as_json))
    _tell({}, replaying.sent.records, replaying.sent.damage, began, as_json=as_json)
    return 0


async def _play(replaying: Any, player: "Player", *, quiet: bool) -> None:
    """Replays, listens to the keys, and shows how far it is."""
    from stream.cli.signals import until_terminated

    with _keys(player), _counting(quiet=quiet) as progress:
        running = asyncio.ensure_future(until_terminated(replaying.run()))
        try:
            while not running.done():
                await asyncio.wait([running], timeout=TICK)
                at = f", at {_clock(player.position)}" if player.position > 0 else ""
                state = f"{'paused' if player.paused else 'rate ' + str(player.rate or 'max')}{at}"
                progress(replaying.sent.records.total(), state)
        finally:
            running.cancel()
        await running


@contextmanager
def _keys(player: "Player") -> Iterator[None]:
    """Hands what is typed to the player, where somebody can type."""
    if not sys.stdin.isatty():
        yield
        return
    import termios
    import tty

    from stream.replay.player import HELP

    descriptor, loop = sys.stdin.fileno(), asyncio.get_running_loop()
    before = termios.tcgetattr(descriptor)
    typer.echo(HELP, err=True)
    try:
        tty.setcbreak(descriptor)
        loop.add_reader(descriptor, lambda: player.press(sys.stdin.read(1)))
        yield
    finally:
        loop.remove_reader(descriptor)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


@contextmanager
def _counting(*, quiet: bool) -> Iterator[Any]:
    """Shows on stderr how many records there have been, and how many a second."""
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from stream.cli.output import err

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    began = time.monotonic()
    with Progress(*columns, console=err(), disable=quiet) as bars:
        task = bars.add_task("")

        def progress(done: int, state: str = "") -> None:
            per_second = done / max(time.monotonic() - began, 1e-3)
            text = f"{done:,} records, {per_second:,.0f}/s {state}"
            bars.update(task, description=text)

        yield progress


def _tell(
    found: dict[str, Any],
    by_topic: "Mapping[str, int]",
    damage: "tuple[Damage, ...]",
    began: float,
    *,
    as_json: bool,
) -> None:
    from stream.cli.output import result

    seconds = round(time.monotonic() - began, 2)
    if as_json:
        missing = [f"{d.file} bytes {d.start} to {d.end}: {d.why}" for d in damage]
        result(found | {"records": dict(by_topic), "damage": missing, "seconds": seconds})
        return
    if found:
        typer.echo(f"{found['replayed']:,} records replayed from {found['from']}.")
    for topic, count in sorted(by_topic.items()):
        typer.echo(f"{count:,} records on {topic}.")
    for d in damage:
        typer.echo(f"Not read: {d.file} bytes {d.start} to {d.end}, {d.why}.", err=True)
    typer.echo(f"{found.get('out', 'Sent')} in {seconds:g} s")


def _rate(text: str) -> float | None:
    try:
        rate = None if text == "max" else float(text)
    except ValueError:
        rate = 0.0
    if rate is not None and not 0 < rate < float("inf"):
        raise typer.BadParameter(f"--rate is a number above 0, or max, not {text}")
    return rate


def _renamed(text: str) -> tuple[str, str]:
    old, _, new = text.partition("=")
    if not old or not new:
        raise typer.BadParameter(f"--remap is A=B, two names of topics, not {text}")
    return old, new


def _listed(text: str | None) -> list[str]:
    return [] if text is None else [name.strip() for name in text.split(",")]


def _time(option: str, text: str | None) -> int | None:
    from schemas.times import parse_time

    return None if text is None else parse_time(option, text)


def _clock(ms: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
