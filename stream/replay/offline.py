"""Replays a recording without a broker, as fast as the machine goes: a recording of decisions.

It takes the very steps that workers run (`agents.line`). From features, home partitions need
nothing of each other, so each process decides some of them and writes their files; from raw
records, some processes extract while one joins and decides. What is written depends on neither the
number of processes nor the size of batches.
"""

import shutil
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from agents.decide.decider import Decider
from agents.distiller.distiller import Encoding
from agents.extract.kinds import warm_up
from agents.extract.step import Extracted, ExtractStep
from agents.join import Revision
from agents.line import Homes, Inputs, extract
from schemas import headers
from schemas.decision import Decision
from schemas.errors import RecordError
from schemas.feature_record import FeatureRecord
from schemas.record import Outgoing, Record
from stream.configure import clock_config, decide_steps, extract_steps, load_decider
from stream.errors import RecordingError
from stream.kafka.topics import Topics
from stream.replay.recorded_line import Source, homes_of, settings_of, source_of
from stream.replay.recording import Damage, FileEntry, Manifest, Recording, RecordingWriter
from stream.settings import Settings, ms

BATCH = 2_000
"""Records that are handed on at a time; twice as many are not faster."""

Progress = Callable[[int], None]
"""Told how many records have been replayed so far."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What is replayed, and how.

    Args:
        start: only records with this timestamp or a later one, ms since 1970 UTC.
        end: only records with an earlier timestamp.
        batch: records that are handed on at a time.
    """

    settings: Settings
    path: Path
    out: Path
    source: Source
    homes: int
    batch: int = BATCH
    start: int | None = None
    end: int | None = None

    @property
    def topics(self) -> Topics:
        return Topics.of(self.settings)

    def records(
        self, recording: Recording, topics: Collection[str], partitions: Collection[int] | None
    ) -> Iterator[list[Record]]:
        """Yields the records of some topics in time order, a batch at a time."""
        records = recording.records(topics, start=self.start, end=self.end, partitions=partitions)
        return iter(lambda: list(islice(records, self.batch)), [])


@dataclass(slots=True)
class Replayed:
    """What came of it."""

    source: Source
    records: int = 0
    left: Counter[str] = field(default_factory=Counter)
    """How many records were written, by topic."""
    damage: tuple[Damage, ...] = ()
    """What could not be read."""


def replay_offline(
    settings: Settings,
    path: Path,
    out: Path,
    *,
    source: Source | None = None,
    threads: int = 1,
    batch: int = BATCH,
    start: int | None = None,
    end: int | None = None,
    progress: Progress = lambda done: None,
) -> Replayed:
    """Decides what was recorded, by today's code, model, policy and settings.

    A decision bears the event time of its newest evidence as `decided_at`: there is no other clock.

    Args:
        path: the recording.
        out: a folder that is made, or is empty, for the recording of what came of it.
        source: what to replay from; None: features where they fit the model, else raw records.
        threads: processes that share the work.

    Raises:
        RecordingError: it cannot be read, or written, or has nothing to replay.
        WeightsError: the model cannot be used.
        PlantTableError: a table of the plant cannot be used.
    """
    recording = Recording(path)
    settings = settings_of(recording, settings)
    source = source_of(recording, settings, source)
    homes = homes_of(recording, settings)
    todo = Replay(settings, path, out, source, homes, batch, start, end)
    if out.exists() and any(out.iterdir()):
        raise RecordingError(f"{out} is not empty; give another folder")
    if source == "raw":
        return _from_raw(todo, recording, threads, progress)
    return _from_features(todo, threads, progress)


# -- from features ------------------------------------------------------------------------------


def _from_features(todo: Replay, threads: int, progress: Progress) -> Replayed:
    threads = min(threads, todo.homes)
    if threads == 1:
        return _decide(todo, range(todo.homes), todo.out, progress)
    context = get_context("spawn")
    counter = context.Value("q", 0)
    parts = [todo.out / f"part-{number}" for number in range(threads)]
    with ProcessPoolExecutor(
        threads, mp_context=context, initializer=_share, initargs=(counter,)
    ) as pool:
        running = {
            pool.submit(_decide_some, todo, range(number, todo.homes, threads), part)
            for number, part in enumerate(parts)
        }
        pending = running
        while pending:
            _, pending = wait(pending, timeout=0.2)
            progress(counter.value)
        found = [each.result() for each in running]
    _gather(todo.out, parts)
    damage = dict.fromkeys(damage for each in found for damage in each.damage)
    return Replayed(
        todo.source,
        sum(each.records for each in found),
        sum((each.left for each in found), Counter()),
        tuple(damage),
    )


_counter: Any = None


def _share(counter: Any) -> None:
    global _counter
    _counter = counter


def _decide_some(todo: Replay, homes: range, out: Path) -> Replayed:
    before = 0

    def progress(done: int) -> None:
        nonlocal before
        with _counter.get_lock():
            _counter.value += done - before
        before = done

    return _decide(todo, homes, out, progress)


def _decide(todo: Replay, homes: range, out: Path, progress: Progress) -> Replayed:
    """Decides some home partitions."""
    recording, done = Recording(todo.path), Replayed(todo.source)
    stage = _decide_stage(todo, homes)
    with _Output(out, todo, done.left) as output:
        for batch in todo.records(recording, [todo.topics.features], homes):
            output.write(stage.step(batch))
            done.records += len(batch)
            progress(done.records)
    done.damage = recording.damage
    return done


def _gather(out: Path, parts: Sequence[Path]) -> None:
    """Makes one recording of several, which have no partition in common."""
    topics: dict[str, int] = {}
    files: dict[str, FileEntry] = {}
    for part in parts:
        manifest = Manifest.of(part)
        topics |= manifest.topics
        files |= manifest.files
        for folder in part.iterdir():
            if folder.is_dir():
                folder.rename(out / folder.name)
        shutil.rmtree(part)
    Manifest(topics, files).write(out)


# -- from raw records -----------------------------------------------------------------------------


def _from_raw(todo: Replay, recording: Recording, threads: int, progress: Progress) -> Replayed:
    done, topics = Replayed(todo.source), todo.topics
    recorded = [name for name in topics.observations if name in recording.topics]
    inputs = Inputs(
        topics.features,
        # What was not recorded has nothing to wait for.
        {name: recording.topics.get(name, 1) for name in topics.observations},
        todo.homes,
        clock_config(todo.settings),
        ms(todo.settings.mark_interval),
    )
    stage = _decide_stage(todo, range(todo.homes))
    with _Output(todo.out, todo, done.left) as output:
        batches = todo.records(recording, recorded, None)
        for batch, extracted in _extract(todo, batches, threads - 1):
            passed, letters = inputs.pass_on(batch, extracted)
            output.write((todo.homes, letter) for letter in letters)
            output.write(stage.step(passed))
            done.records += len(batch)
            progress(done.records)
        output.write(stage.step(inputs.finish()))
    done.damage = recording.damage
    return done


def _extract(
    todo: Replay, batches: Iterator[list[Record]], processes: int
) -> Iterator[tuple[list[Record], list[Extracted]]]:
    """Yields the batches, in order, with what came of each record."""
    if not processes:
        _load_steps(todo)
        for batch in batches:
            yield batch, _extract_batch(batch)
        return
    with ProcessPoolExecutor(
        processes, mp_context=get_context("spawn"), initializer=_load_steps, initargs=(todo,)
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


def _load_steps(todo: Replay) -> None:
    global _steps
    warm_up()
    _steps = extract_steps(todo.settings, todo.homes)


def _extract_batch(batch: Sequence[Record]) -> list[Extracted]:
    return extract(_steps, batch)


# -- both ---------------------------------------------------------------------------------------


def _decide_stage(todo: Replay, homes: Iterable[int]) -> Homes:
    decider = load_decider(todo.settings)
    model = _WithoutClock(decider)
    return Homes(decide_steps(todo.settings, todo.homes, model, decider.policy), homes)


@dataclass(frozen=True, slots=True)
class _WithoutClock:
    """A model whose decisions are made at the event time of their newest evidence."""

    decider: Decider

    def encode(self, records: Sequence[FeatureRecord]) -> list[Encoding | RecordError]:
        return self.decider.encode(records)

    def decide(self, revisions: Sequence[Revision], decided_at: int) -> list[Decision]:
        valid_for = timedelta(seconds=self.decider.policy.valid_for_s)
        return [
            decision.model_copy(
                update={
                    "decided_at": (at := max(e.captured_at for e in decision.evidence)),
                    "valid_until": at + valid_for,
                }
            )
            for decision in self.decider.decide(revisions, decided_at)
        ]


class _Output:
    """Writes what leaves the line; each home partition has partitions of its own.

    Dead letters of the extract stage, which belong to no home, lie behind those of the homes.
    """

    def __init__(self, path: Path, todo: Replay, left: Counter[str]) -> None:
        topics, homes = todo.topics, todo.homes
        self._writer = RecordingWriter(
            path,
            partitions={
                topics.decisions: homes,
                topics.late: homes,
                topics.dead_letter: homes + 1,
            },
        )
        self._offsets: Counter[tuple[str, int]] = Counter()
        self._left = left

    def write(self, records: Iterable[tuple[int, Outgoing]]) -> None:
        for home, out in records:
            time = out.timestamp
            for name, value in out.headers if time is None else ():
                if name == headers.CE_TIME and value is not None:
                    time = round(datetime.fromisoformat(value.decode()).timestamp() * 1000)
            place = out.topic, home
            self._writer.write(
                Record(
                    *place,
                    self._offsets[place],
                    -1 if time is None else time,
                    out.key,
                    out.value,
                    out.headers,
                )
            )
            self._offsets[place] += 1
            self._left[out.topic] += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.close()
