"""Replays a recording without a broker, as fast as the machine goes: a recording of decisions.

It takes the very steps that workers run (`agents.line`). From features, home partitions need
nothing of each other, so each process decides some of them and writes their files; from raw
records, some processes extract while one joins and decides. What is written depends on neither the
number of processes nor the size of batches.
"""

import gc
import logging
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from agents.decide.decider import Decider
from agents.distiller.distiller import Encoding
from agents.join import Revision
from agents.line import Homes
from schemas.decision import Decision
from schemas.errors import RecordError
from schemas.feature_record import FeatureRecord
from stream.configure import decide_steps, load_decider
from stream.errors import RecordingError
from stream.replay.extracting import passed_on
from stream.replay.output import Output
from stream.replay.recorded_line import BATCH, RecordedLine, Source
from stream.replay.recording import Damage, FileEntry, Manifest, Recording
from stream.settings import Settings

log = logging.getLogger(__name__)

Progress = Callable[[int], None]
"""Told how many records have been replayed so far."""


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
    line = RecordedLine.of(settings, path, source, batch=batch, start=start, end=end)
    if out.exists() and any(out.iterdir()):
        raise RecordingError(f"{out} is not empty; give another folder")
    if (lived := line.other_window()) is not None:
        log.warning(
            "The line had a window of %g s, the settings have %g s: set what it had"
            " (REGRADE_WINDOW, REGRADE_GRACE, ...), or decisions differ for that alone",
            lived,
            settings.window,
        )
    if line.source == "features" and min(threads, line.homes) > 1:
        return _in_processes(line, out, min(threads, line.homes), progress)
    return _decide(line, range(line.homes), out, progress, threads - 1)


def _in_processes(line: RecordedLine, out: Path, threads: int, progress: Progress) -> Replayed:
    """Decides home partitions, which need nothing of each other, each process some of them."""
    context = get_context("spawn")
    counter = context.Value("q", 0)
    parts = [out / f"part-{number}" for number in range(threads)]
    with ProcessPoolExecutor(
        threads, mp_context=context, initializer=_share, initargs=(counter,)
    ) as pool:
        running = {
            pool.submit(_decide_some, line, range(number, line.homes, threads), part)
            for number, part in enumerate(parts)
        }
        pending = running
        while pending:
            _, pending = wait(pending, timeout=0.2)
            progress(counter.value)
        found = [each.result() for each in running]
    _gather(out, parts)
    return Replayed(
        line.source,
        sum(each.records for each in found),
        sum((each.left for each in found), Counter()),
        tuple(dict.fromkeys(damage for each in found for damage in each.damage)),
    )


_counter: Any = None


def _share(counter: Any) -> None:
    global _counter
    _counter = counter


def _decide_some(line: RecordedLine, homes: range, out: Path) -> Replayed:
    before = 0

    def progress(done: int) -> None:
        nonlocal before
        with _counter.get_lock():
            _counter.value += done - before
        before = done

    return _decide(line, homes, out, progress)


def _decide(
    line: RecordedLine, homes: range, out: Path, progress: Progress, processes: int = 0
) -> Replayed:
    """Decides some home partitions; further processes extract, where there is something to."""
    recording, done, decider = (
        Recording(line.path),
        Replayed(line.source),
        load_decider(line.settings),
    )
    model = _WithoutClock(decider)
    stage = Homes(decide_steps(line.settings, line.homes, model, decider.policy), homes)
    gc.collect()
    gc.freeze()  # as workers do: what has been loaded stays, and need not be looked through
    with Output(out, line, done.left) as output:
        for passed, letters, count in passed_on(line, recording, homes, processes):
            output.write((line.homes, letter) for letter in letters)
            output.write(stage.step(passed))
            output.release(stage.reached)
            done.records += count
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


# -- what leaves the line -------------------------------------------------------------------------


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
