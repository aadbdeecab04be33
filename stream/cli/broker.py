"""`regrade broker`: an embedded broker to try things out."""

import signal
import threading
from typing import Annotated

import typer

from stream.cli.options import Json
from stream.cli.output import result


def broker(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="On the loopback interface; 0: a free one.")
    ] = 9092,
    as_json: Json = False,
) -> int:
    """Run an embedded Kafka-compatible broker until Ctrl-C. It keeps all in memory, then forgets.

    For trying things out, never for production.
    """
    from stream.kafka.embedded import EmbeddedBroker

    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    with EmbeddedBroker(port) as running:
        if as_json:
            result({"bootstrap_servers": running.bootstrap, "pid": running.pid})
        else:
            typer.echo(f"The broker answers at {running.bootstrap}; Ctrl-C ends it. Next:")
            typer.echo(f"  export REGRADE_BOOTSTRAP_SERVERS={running.bootstrap}")
            typer.echo("  regrade topics create && regrade worker")
        while not done.wait(1):
            if running.pid is None:
                from stream.errors import EmbeddedBrokerError

                raise EmbeddedBrokerError("the embedded broker ended by itself; start it again")
    return 0
