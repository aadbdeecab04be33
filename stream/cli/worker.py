"""`regrade worker`: the pipeline against a cluster."""

from typing import Annotated, Literal

import typer

from stream.cli.options import Bootstrap, Prefix


def worker(
    bootstrap_servers: Bootstrap = None,
    topic_prefix: Prefix = None,
    group: Annotated[
        str | None, typer.Option(help="Consumer group; its workers share the partitions.")
    ] = None,
    metrics_port: Annotated[
        int | None, typer.Option(help="Serve Prometheus metrics here; 0 takes a free port.")
    ] = None,
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"] | None, typer.Option(case_sensitive=False)
    ] = None,
) -> int:
    """Join, distil and decide, until SIGTERM or Ctrl-C; what is in flight is finished first.

    Start as many as there are partitions at most. `faust -A stream.app worker` works too.
    """
    from stream.settings import Settings

    settings = Settings.load(
        bootstrap_servers=bootstrap_servers,
        topic_prefix=topic_prefix,
        group=group,
        metrics_port=metrics_port,
        log_level=log_level,
    )
    # What a plant supplies itself, checked before Faust starts: its errors are tracebacks.
    from agents.decide.disassembly import DisassemblyTable
    from agents.decide.policy import Policy
    from agents.distiller.circuits.backend import backend
    from agents.distiller.files import WEIGHTS, load_model

    load_model(settings.weights_path or WEIGHTS)
    backend(settings.quantum.device, settings.quantum.shots)
    Policy.load(settings.policy_path)
    DisassemblyTable.load(settings.disassembly_path)

    from stream.worker import run_worker

    return run_worker(settings)
