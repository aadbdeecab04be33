"""What the extract stage passes on to the decide stage: as it was recorded, or made again."""

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context

from agents.extract.kinds import warm_up
from agents.extract.step import Extracted, ExtractStep
from agents.line import Inputs, extract
from schemas.record import Outgoing, Record
from stream.configure import clock_config, extract_steps
from stream.replay.recorded_line import RecordedLine
from stream.replay.recording import Recording
from stream.settings import ms


def passed_on(
    line: RecordedLine, recording: Recording, homes: Collection[int], processes: int = 0
) -> Iterator[tuple[list[Record], list[Outgoing], int]]:
    """Yields records of the features topic, each time with dead letters of the extract stage and
    with how many recorded ones they come from.

    Args:
        homes: which home partitions, where features have been recorded; else it is all.
        processes: further ones that extract; 0: this one does.
    """
    topics, settings = line.topics, line.settings
    if line.source == "features":
        for batch in line.batches(recording, [topics.features], homes):
            yield batch, [], len(batch)
        return
    inputs = Inputs(
        topics.features,
        # What was not recorded has nothing to wait for.
        {name: recording.topics.get(name, 1) for name in topics.observations},
        line.homes,
        clock_config(settings),
        ms(settings.mark_interval),
    )
    recorded = [name for name in topics.observations if name in recording.topics]
    for batch, extracted in _extract(line, line.batches(recording, recorded, None), processes):
        yield *inputs.pass_on(batch, extracted), len(batch)
    yield inputs.finish(), [], 0


def _extract(
    line: RecordedLine, batches: Iterator[list[Record]], processes: int
) -> Iterator[tuple[list[Record], list[Extracted]]]:
    """Yields the batches, in order, with what came of each record."""
    if not processes:
        _load_steps(line)
        for batch in batches:
            yield batch, _extract_batch(batch)
        return
    with ProcessPoolExecutor(
        processes, mp_context=get_context("spawn"), initializer=_load_steps, initargs=(line,)
    ) as pool:
        ahead: deque[tuple[list[Record], Future[list[Extracted]]]] = deque()
        for batch in batches:
            ahead.append((batch, pool.submit(_extract_batch, batch)))
            if len(ahead) > 2 * processes:
                first, extracted = ahead.popleft()
                yield first, extracted.result()
        for first, extracted in ahead:
            yield first, extracted.result()


_steps: Mapping[str, ExtractStep] = {}


def _load_steps(line: RecordedLine) -> None:
    global _steps
    warm_up()
    _steps = extract_steps(line.settings, line.homes)


def _extract_batch(batch: Sequence[Record]) -> list[Extracted]:
    return extract(_steps, batch)
