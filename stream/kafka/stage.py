"""A stage of the pipeline, and the Faust app that drives it.

    def make(flow: Flow) -> Stage: ...
    app = StageApp(settings, "extract", ["units.visual", "units.text"], make)
    exit_code = run(settings, [app])  # stream.worker

The app owns what is Faust's and Kafka's: the agents, rebalances, commits, failing. The stage owns
what it does with the records. It is driven from one event loop, so it needs no locks.
"""

import logging

log = logging.getLogger(__name__)
