"""Options that several commands have, each described once."""

from typing import Annotated

import typer

Bootstrap = Annotated[
    str | None,
    typer.Option(
        "--bootstrap-servers",
        "-b",
        metavar="HOST:PORT",
        help="The cluster; several separated by commas. [default: as in the settings]",
        show_default=False,
    ),
]
Prefix = Annotated[
    str | None,
    typer.Option(
        "--topic-prefix",
        metavar="PREFIX",
        help="Before every topic's name, such as plant1.line3. [default: as in the settings]",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
