"""`regrade replay`: a recording again, into a cluster or without one."""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from stream.cli.options import Bootstrap, Json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stream.replay.player import Player
    from stream.replay.recording import Damage

TICK = 0.2
"""Seconds between two looks at how far a replay is."""

cluster = partial(typer.Option, rich_help_panel="Into a cluster")
alone = partial(typer.Option, rich_help_panel="Without a broker")


def replay(
    recording: Annotated[Path, typer.Argument(help="A folder that `regrade record` has made.")],
    bootstrap_servers: Bootstrap = None,
    topic_prefix: Annotated[
        str | None,
        typer.Option(
            metavar="PREFIX", help="Of the topics to replay into; offline, of the recorded line."
        ),
    ] = None,
    start: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only records of this time or later.")
    ] = None,
    end: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only records of an earlier time.")
    ] = None,
    rate: Annotated[str, cluster(help="Of time: 0.1, 1, 20, or max.")] = "1",
    start_paused: Annotated[bool, cluster("--start-paused", help="Wait for a key.")] = False,
    loop: Annotated[bool, cluster("--loop", help="Again and again.")] = False,
    topics: Annotated[
        str | None, cluster(help="Names or patterns, by commas; else those of observations.")
    ] = None,
    units: Annotated[
        str | None, cluster(help="Only these units, names or patterns, by commas.")
    ] = None,
    remap: Annotated[
        list[str] | None, cluster(metavar="A=B", help="Topic A goes by the name of B.")
    ] = None,
    shift_to_now: Annotated[
        bool, cluster("--shift-to-now", help="As if all were of now; else times stay.")
    ] = False,
    rekey: Annotated[bool, cluster("--rekey", help="Partitions by key, not as recorded.")] = False,
    replay_of: Annotated[
        bool, cluster("--replay-of", help="A header tells where each record had lain.")
    ] = False,
    fault: Annotated[
        list[str] | None,
        cluster(
            metavar="NAME=SHARE",
            help="drop, delay, duplicate, reorder, corrupt: drop=0.01, delay=0.05:120 (s).",
        ),
    ] = None,
    seed: Annotated[int, cluster(help="Of the faults.")] = 1,
    i_know: Annotated[
        bool, cluster("--i-know", help="Also into topics that hold records.")
    ] = False,
    offline: Annotated[
        bool, alone("--offline", help="Decide it here, as fast as it goes.")
    ] = False,
    out: Annotated[
        Path | None, alone("--out", "-o", file_okay=False, help="For the recording of decisions.")
    ] = None,
    source: Annotated[
        Literal["raw", "features"] | None,
        alone("--from", help="Else features where they fit the model."),
    ] = None,
    threads: Annotated[int, alone(min=1, help="Processes that share the work.")] = 1,
    batch: Annotated[int, alone(min=1, help="Records at a time; changes nothing.")] = 2_000,
    as_json: Json = False,
) -> int:
    """Replay a recording: what stations sent, in time order, into a line's topics.

    With --offline no broker is needed: it is decided by the model, the policy and the settings of
    here and now, and `regrade diff` compares that with what was decided then.
    """
    from stream.settings import Settings

    if offline != (out is not None):
        raise typer.BadParameter("--offline and --out DIR belong together")
    span = {"start": _time("--start", start), "end": _time("--end", end)}
    settings = Settings.load(bootstrap_servers=bootstrap_servers, topic_prefix=topic_prefix)
    began = time.monotonic()
    if out is not None:
        from stream.replay.offline import replay_offline

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

    def typed() -> None:
        for key in os.read(descriptor, 64).decode("ascii", "replace"):
            player.press(key)

    before = termios.tcgetattr(descriptor)
    typer.echo(HELP, err=True)
    try:
        tty.setcbreak(descriptor)
        loop.add_reader(descriptor, typed)
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
