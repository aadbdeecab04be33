"""The command line, `regrade`: one command a file, and nothing heavy imported before it is needed.

`regrade --help` must come at once: command modules import typer and rich on top, everything else
inside their functions.
"""

from stream.cli.entry import main

__all__ = ["main"]
