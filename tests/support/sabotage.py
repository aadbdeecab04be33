"""Ways in which a worker may fail inside, for `support.forked_worker`.

Each function breaks one thing in the process that calls it. It works as ever until the trigger
file is there; then it fails, and the log says `SABOTAGE`.
"""

import asyncio
import functools
import os
import sys
from collections.abc import Callable
from typing import Any

TRIGGER = "REGRADE_TEST_TRIGGER"
STRUCK = "SABOTAGE"


def _armed() -> bool:
    return os.path.exists(os.environ[TRIGGER])


@functools.cache
def _tell() -> None:
    print(STRUCK, file=sys.stderr, flush=True)


def _break(owner: Any, name: str, fail: Callable[..., Any]) -> None:
    """Once armed, `fail` is called with the arguments before the method `name` of `owner` is."""
    method = getattr(owner, name)

    def fails(*args: Any, **kwargs: Any) -> None:
        if _armed():
            _tell()
            fail(*args)

    if asyncio.iscoroutinefunction(method):

        async def broken(*args: Any, **kwargs: Any) -> Any:
            fails(*args)
            return await method(*args, **kwargs)

    else:

        def broken(*args: Any, **kwargs: Any) -> Any:
            fails(*args)
            return method(*args, **kwargs)

    setattr(owner, name, broken)


def _raise(*_: Any) -> None:
    raise LookupError("a bug")


def _cancel(*_: Any) -> None:
    raise asyncio.CancelledError


def _exit(*_: Any) -> None:
    sys.exit(0)


# -- steps and the model ----------------------------------------------------------------------


def extract_step() -> None:
    from agents.extract.step import ExtractStep

    _break(ExtractStep, "step", _raise)


def extract_step_exits() -> None:
    from agents.extract.step import ExtractStep

    _break(ExtractStep, "step", _exit)


def decide_step() -> None:
    from agents.decide.step import DecideStep

    _break(DecideStep, "_join", _raise)


def model_encodes() -> None:
    from agents.decide.decider import Decider

    _break(Decider, "encode", _raise)


def model_decides() -> None:
    from agents.decide.decider import Decider

    _break(Decider, "decide", _raise)


# -- background tasks of the agents -----------------------------------------------------------


def looking_task() -> None:
    from stream.stages import FlowHost

    _break(FlowHost, "readings", _raise)


def marking_task() -> None:
    from agents.extract import agent

    _break(agent, "make_mark", _raise)


def marking_task_is_cancelled() -> None:
    from agents.extract import agent

    _break(agent, "make_mark", _cancel)


def executors() -> None:
    from concurrent.futures import ThreadPoolExecutor

    from agents import off_loop

    off_loop.FEW = 0
    _break(ThreadPoolExecutor, "submit", _raise)


def producer_task() -> None:
    from aiokafka.producer.message_accumulator import MessageAccumulator

    _break(MessageAccumulator, "drain_by_nodes", _raise)


# -- Faust and the consumer's thread ----------------------------------------------------------


def committing() -> None:
    from agents.extract.agent import ExtractAgent

    _break(ExtractAgent, "committable", _raise)


def commit_in_thread() -> None:
    from stream.kafka.consumer_thread import ConsumerThread

    _break(ConsumerThread, "commit_offsets", _raise)


def polling() -> None:
    from stream.kafka.consumer_thread import ConsumerThread

    _break(ConsumerThread, "poll", _raise)


def consumer_thread() -> None:
    """Its event loop stops: nothing that it is asked is ever answered."""
    from stream.kafka.consumer_thread import ConsumerThread

    _break(ConsumerThread, "readings", lambda thread: _stop(thread.thread_loop))


def _stop(loop: asyncio.AbstractEventLoop) -> None:
    loop.call_soon_threadsafe(loop.stop)


def fetching_task() -> None:
    _break_client(lambda consumer: consumer._fetcher._fetch_task.cancel())


def coordinating_task() -> None:
    _break_client(lambda consumer: consumer._coordinator._coordination_task.cancel())


def heartbeat_task() -> None:
    _break_client(lambda consumer: consumer._coordinator._heartbeat_task.cancel())


def _break_client(fail: Callable[[Any], Any]) -> None:
    from stream.kafka.consumer_thread import ConsumerThread

    _break(ConsumerThread, "poll", lambda thread, *_: fail(thread._consumer))


def taking_is_cancelled() -> None:
    """Faust then starts the agent again, without the batch."""
    from stream.stages import ExtractStage

    _break(ExtractStage, "take", _cancel)


# -- rebalances -------------------------------------------------------------------------------


def assigning() -> None:
    from agents.decide.agent import DecideAgent

    _rejoin()
    _break(DecideAgent, "assign", _raise)


def revoking() -> None:
    from agents.decide.agent import DecideAgent

    _rejoin()
    _break(DecideAgent, "revoke", _raise)


def _rejoin() -> None:
    """Once armed, the decide stage asks for a new assignment, once."""
    from stream.kafka.stage_app import StageApp

    asked: list[StageApp] = []

    def ask(app: StageApp) -> None:
        if app._stage_name == "decide" and not asked:
            asked.append(app)
            app.rejoin()

    _break(StageApp, "may_publish", ask)


def reading_back() -> None:
    """Fails while the worker starts, if it is armed by then."""
    from stream.kafka import memory

    _break(memory, "read_to_end", _raise)


def loading() -> None:
    """Fails while the worker starts, if it is armed by then."""
    from stream import stages

    _break(stages, "load_decider", _raise)


# -- the machine's clock ----------------------------------------------------------------------


def clock_ahead() -> None:
    _shift_clock(8_000)


def clock_behind() -> None:
    """From the start, by so much that all stations seem to be ahead."""
    _shift_clock(-3_600_000)


def _shift_clock(by: int) -> None:
    from stream import stages

    right = stages.wall_ms

    def wrong() -> int:
        if not _armed():
            return right()
        _tell()
        return right() + by

    stages.wall_ms = wrong
