"""Offline replays: what is written depends on the recording alone."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.lab.simulator import simulate_unit
from agents.line import Inputs, extract
from schemas.codec import encode
from schemas.decision import Decision
from schemas.modality import MODALITIES, Modality
from schemas.observation import Observation
from schemas.record import Record
from stream.configure import clock_config, extract_steps
from stream.errors import RecordingError
from stream.kafka.topics import Topics
from stream.replay.offline import replay_offline
from stream.replay.recorded_line import RecordedLine
from stream.replay.recording import Recording, RecordingWriter
from stream.replay.training import gather
from stream.settings import Settings

T0 = 1_790_000_000_000
PREFIX = "plant.line-3."
HOMES = 4
UNITS = 24
SETTINGS = Settings(topic_prefix=PREFIX)
TOPICS = Topics.of(SETTINGS)
LATE_BY = 200_000


def observation(number: int, modality: Modality, at: int, name: str = "") -> Observation:
    unit_id = f"LT-{number:03}"
    payload = simulate_unit(7, number).payload(modality)
    return Observation(unit_id, f"{unit_id}/{modality}{name}", at, f"{modality}-1", payload)


def raw_records() -> Iterator[Record]:
    """Every fifth unit lacks its note; one record cannot be used, and one comes too late."""
    offsets: dict[tuple[str, int], int] = {}

    def place(modality: Modality, number: int) -> tuple[str, int, int]:
        tp = TOPICS.observation(modality), number % 2
        offsets[tp] = offsets.get(tp, -1) + 1
        return *tp, offsets[tp]

    for number in range(UNITS):
        for step, modality in enumerate(MODALITIES):
            at = T0 + 2_000 * number + 700 * step
            if number % 5 or modality is not Modality.TEXT:
                value = encode(observation(number, modality, at))
                yield Record(*place(modality, number), at + 60, None, value)
    yield Record(
        *place(Modality.TEXT, 0), T0 + 60_000, b"key", b"{junk", (("a", b"1"), ("a", None))
    )
    late = encode(observation(0, Modality.TEXT, T0, "again"))
    yield Record(*place(Modality.TEXT, 0), T0 + LATE_BY, None, late)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of raw records, and of what an extract worker would have made of them."""
    path = tmp_path_factory.mktemp("rec") / "line"
    counts = dict.fromkeys(TOPICS.observations, 2)
    inputs = Inputs(TOPICS.features, counts, HOMES, clock_config(SETTINGS))
    raw = sorted(raw_records(), key=lambda record: record.timestamp)
    with RecordingWriter(path, partitions=counts | dict.fromkeys(TOPICS.homes, HOMES)) as writer:
        passed, _ = inputs.pass_on(raw, extract(extract_steps(SETTINGS, HOMES), raw))
        for record in [*raw, *passed, *inputs.finish()]:
            writer.write(record)
    return path


def files_of(path: Path, topic: str = "*") -> dict[str, bytes]:
    return {
        f"{file.parent.name}/{file.name}": file.read_bytes()
        for file in path.glob(f"{topic}-*/*.avro")
    }


@pytest.fixture(scope="module")
def replayed(path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What it decides from raw records."""
    out = tmp_path_factory.mktemp("out") / "raw"
    done = replay_offline(Settings(), path, out, source="raw")
    assert (done.records, done.damage) == (UNITS * 6 - 5 + 2, ())
    assert done.left == {TOPICS.decisions: UNITS, TOPICS.late: 1, TOPICS.dead_letter: 1}
    return out


def test_every_unit_is_decided_at_the_event_time_of_its_newest_evidence(replayed: Path) -> None:
    records = list(Recording(replayed).records([TOPICS.decisions]))
    decisions = [Decision.model_validate_json(record.value or b"") for record in records]
    assert sorted(d.unit_id for d in decisions) == [f"LT-{n:03}" for n in range(UNITS)]
    for record, decision in zip(records, decisions, strict=True):
        number = int(decision.unit_id[3:])
        assert decision.passage.closed_by == ("complete" if number % 5 else "window")
        assert decision.decided_at == max(each.captured_at for each in decision.evidence)
        assert record.timestamp == round(decision.decided_at.timestamp() * 1000)
        assert decision.valid_until > decision.decided_at


def test_what_cannot_be_used_is_written_byte_for_byte(replayed: Path) -> None:
    [dead] = Recording(replayed).records([TOPICS.dead_letter])
    assert (dead.partition, dead.key, dead.value) == (HOMES, b"key", b"{junk")
    assert list(dead.headers[:2]) == [("a", b"1"), ("a", None)]


@pytest.mark.parametrize(
    ("source", "threads", "batch"),
    [("raw", 1, 7), ("raw", 2, 50), ("features", 1, 2_000), ("features", 2, 11)],
)
def test_neither_batches_nor_processes_change_a_byte(
    path: Path, replayed: Path, tmp_path: Path, source: str, threads: int, batch: int
) -> None:
    out = tmp_path / "out"
    settings = Settings(batch_max=batch)
    replay_offline(settings, path, out, source=source, threads=threads, batch=batch)  # type: ignore[arg-type]
    topic = "*" if source == "raw" else TOPICS.decisions
    assert files_of(out, topic) == files_of(replayed, topic) != {}
    assert Recording(out).topics == Recording(replayed).topics
    assert sorted(each.name for each in out.iterdir() if each.is_file()) == ["manifest.json"]


def test_a_span_of_time(path: Path, tmp_path: Path) -> None:
    done = replay_offline(
        Settings(), path, tmp_path / "out", source="raw", start=T0 + 20_000, end=T0 + 30_000
    )
    assert done.records == 29


def test_it_is_read_from_features_where_they_fit_the_model(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = RecordedLine.of(Settings(), path)
    assert (line.source, line.homes, line.settings.topic_prefix) == ("features", HOMES, PREFIX)
    monkeypatch.setattr("agents.distiller.files.read_fingerprints", lambda *_: {})
    assert RecordedLine.of(Settings(), path).source == "raw"
    alone = tmp_path / "alone"
    with RecordingWriter(alone, partitions={TOPICS.features: HOMES}) as writer:
        for record in Recording(path).records([TOPICS.features]):
            writer.write(record)
    assert RecordedLine.of(Settings(), alone).source == "features", "there is nothing else"
    with pytest.raises(RecordingError, match="has no raw topic of this line; it has plant"):
        RecordedLine.of(Settings(), alone, "raw")


def test_another_window_than_the_line_had_is_told(
    replayed: Path, path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert RecordedLine.of(Settings(), path).other_window() is None, "it has no decisions"
    both = tmp_path / "both"
    shutil.copytree(path, both)
    for folder in replayed.glob("*decisions-*"):
        shutil.copytree(folder, both / folder.name)
    assert RecordedLine.of(Settings(), both).other_window() is None
    replay_offline(Settings(window=45.0), both, tmp_path / "out", end=T0)
    assert "The line had a window of 60 s, the settings have 45 s" in caplog.text


def test_what_is_no_recording_of_a_line_is_refused(path: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no folder"):
        replay_offline(Settings(), tmp_path / "none", tmp_path / "out")
    with RecordingWriter(tmp_path / "two", partitions={"a.units.text": 1, "b.units.text": 1}):
        pass
    with pytest.raises(RecordingError, match=r"several lines .*\(prefixes: a\., b\.\)"):
        RecordedLine.of(Settings(), tmp_path / "two")
    assert RecordedLine.of(Settings(topic_prefix="b."), tmp_path / "two").source == "raw"
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(RecordingError, match="is not empty; give another folder"):
        replay_offline(Settings(), path, tmp_path / "full")


def test_units_to_train_on(path: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.jsonl"
    labels.write_text(
        '{"unit_id": "LT-003", "quality": "B", "material": "ABS", "routing": "resell",'
        ' "reuse": {"battery": true, "display": false, "keyboard": true, "mainboard": true,'
        ' "fan": false}, "conditions": {"battery-swollen": false, "battery-degraded": true,'
        ' "liquid-damage": false, "housing-cracked": false, "fan-worn": true,'
        ' "board-hot-spot": false}}\n'
    )
    found = gather(Settings(), path, labels)
    from_raw = gather(Settings(), path, labels, source="raw")
    units = found.units
    assert (len(units), found.labelled, found.unreadable) == (UNITS, 1, 0)
    assert found.modalities[Modality.TEXT] == UNITS - 5
    for number in range(UNITS):
        for column, modality in enumerate(MODALITIES):
            there = bool(number % 5) or modality is not Modality.TEXT
            assert units.arrived[number, column] == there
            row = units.features[modality][number]
            assert bool(row.any()) == there
            assert row.equal(from_raw.units.features[modality][number])
    assert units.labelled.nonzero().tolist() == [[3]]
    quality, _, _, reuse, conditions = (target[3].tolist() for target in units.targets)
    assert (quality, reuse, conditions[4]) == (1, [1, 0, 1, 1, 0], 1)
    assert len(gather(Settings(), path, limit=5).units) == 5


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"unit_id": "LT-1"}', '{"unit_id": "LT-1", "quality": "Z"}']
)
def test_labels_that_cannot_be_read_are_told(path: Path, tmp_path: Path, text: str) -> None:
    labels = tmp_path / "labels.jsonl"
    labels.write_text(text)
    with pytest.raises(RecordingError, match=r"labels\.jsonl, line 1: .*a line of labels is like"):
        gather(Settings(), path, labels)
