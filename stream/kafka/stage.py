"""A stage of the pipeline, and the Faust app that drives it.

    def make(flow: Flow) -> Stage: ...
    app = StageApp(settings, "extract", ["units.visual", "units.text"], make)
    exit_code = run(settings, [app])  # stream.worker

The app owns what is Faust's and Kafka's: the agents, rebalances, commits, failing. The stage owns
what it does with the records. It is driven from one event loop, so it needs no locks.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

import faust
from faust.tables import TableManager
from faust.types import TP

from schemas.errors import SchemaError
from stream.connection import ssl_context
from stream.errors import RegradeError
from stream.kafka.failure import Failure, end_within
from stream.kafka.quiet import quieten_client
from stream.kafka.record import Batch, Reading, TopicPartition
from stream.kafka.transport import Consumer, Transport
from stream.settings import Settings

log = logging.getLogger(__name__)
