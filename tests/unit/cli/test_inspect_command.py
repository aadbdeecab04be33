"""What `regrade inspect` says of a recording that was made by hand."""

import io
import json
import random
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import duckdb
import pytest
from support.decisions import a_decision, evidence_of
from support.steps import FINGERPRINT, SECOND, T0, features_of, mark_of, note

from schemas.codec import encode
from schemas.feature_record import Origin
from schemas.headers import REASON, UNREADABLE
from schemas.record import Record
from stream.kafka.topics import Topics
from stream.replay.inspection import Filter, Summary, export_jsonl, rows, told
from stream.replay.recording import Recording, RecordingWriter

TOPICS = Topics("p.")
NOTES = "p.units.text"
PARTITIONS = {NOTES: 2, "p.units.features": 1, "p.routing.decisions": 1, "p.units.dead-letter": 1}
DELAYS = (100, 200, 300, 400)


def decided(unit_id: str, revision: int, *modalities: str) -> bytes:
    """A decision on notes, and on whatever else."""
    evidence = [evidence_of(note(unit_id), Origin(NOTES, 0, 0))]
    decision = a_decision(unit_id, evidence, opened_at=T0, revision=revision)
    missing = [m for m in decision.missing if m.value not in modalities]
    return decision.model_copy(update={"missing": missing}).model_dump_json().encode()


def made() -> Iterator[Record]:
    for at, delay in enumerate(DELAYS):
        value = encode(note(f"LT-{at}", f"n{at}", T0 + at * SECOND))
        yield Record(NOTES, 0, 10 + at, T0 + at * SECOND + delay, b"key", value)
    yield Record(NOTES, 0, 17, T0 + 9 * SECOND, b"LT-9", b"{}", ())
    yield Record(NOTES, 1, 0, -1, None, None, ((UNREADABLE, b"no UTF-8"),))
    # The clock of text-1 is 2 s ahead of that of visual-1, the broker's timestamps say.
    for at, (modality, captured) in enumerate([("visual", 500), ("text", 2500), ("visual", 700)]):
        value = features_of("LT-1", modality, f"n{at}", captured)
        yield Record("p.units.features", 0, at, T0 + 1500, b"LT-1", value, (), 1)
    yield Record("p.units.features", 0, 3, T0 + 1600, None, mark_of(0), (), 1)
    everything = ("visual", "spectral", "thermal", "acoustic", "battery")
    for at, value in enumerate(
        [decided("LT-1", 1), decided("LT-1", 2, *everything), decided("LT-2", 1, "visual"), b"?"]
    ):
        yield Record("p.routing.decisions", 0, at, T0 + 60_000 + at, b"LT-1", value)
    headers = ((REASON, b"older"), (REASON, b"malformed"))
    yield Record("p.units.dead-letter", 0, 0, T0 + 9100, b"LT-9", b"{}", headers)


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    with RecordingWriter(tmp_path / "rec", partitions=PARTITIONS, block_bytes=1) as writer:
        for record in made():
            writer.write(record)
    return Recording(tmp_path / "rec")


def summary_of(recording: Recording) -> dict[str, object]:
    summary = Summary()
    for row in rows(recording, TOPICS, Filter()):
        summary.add(row)
    return summary.as_json(recording.topics, recording.damage)


def test_the_summary(recording: Recording) -> None:
    found = summary_of(recording)
    topics = {each["topic"]: each for each in found["topics"]}  # type: ignore[attr-defined]
    notes = topics[NOTES]
    assert (notes["partitions"], notes["records"]) == (2, 6)
    assert (notes["earliest"], notes["latest"]) == (T0 + 100, T0 + 9 * SECOND)
    assert notes["offsets"] == {0: [10, 17], 1: [0, 0]}
    assert notes["kinds"] == {"observation": 5, "unreadable": 1}
    assert [count for _, count in notes["encodings"].items()] == [4, 1]
    features = topics["p.units.features"]
    assert features["kinds"] == {"features": 3, "mark": 1}
    assert features["encodings"][f"visual features {FINGERPRINT}"] == 2
    assert found["units"] == 5
    assert found["passages"] == {
        "decided": 2,
        "with_everything": 1,
        "closed_by": {"window": 2},
        "missing": {"spectral": 1, "thermal": 1, "acoustic": 1, "battery": 1},
    }
    assert found["delays"] == [
        {
            "modality": "text",
            "source": "desk-1",
            "observations": 4,
            "p50": 250,
            "p90": 370,
            "p99": 397,
            "max": 400,
        }
    ]
    assert found["clocks"] == {"text-1": 900, "visual-1": -900}
    assert found["holes"] == [{"topic": NOTES, "partition": 0, "first": 14, "last": 16}]
    assert (found["missing_offsets"], found["damage"]) == (3, [])


def test_without_raw_topics_delays_are_those_of_features(recording: Recording) -> None:
    summary = Summary()
    for row in rows(recording, TOPICS, Filter(topics=["p.units.features"])):
        summary.add(row)
    assert [(d["source"], d["p50"]) for d in summary.delays()] == [
        ("text-1", -1000),
        ("visual-1", 900),
    ]


def test_a_units_story(recording: Recording) -> None:
    story = list(map(told, rows(recording, TOPICS, Filter(unit="LT-1"))))
    kinds = ["observation", *["features"] * 3, *["decision"] * 3]
    assert [line[26:].split()[0] for line in story] == kinds
    assert "text n1 by desk-1, captured 2026-09-21 14:13:21.000Z, 200 ms before" in story[0]
    assert "revision 2, amended (window): resell" in story[-2]
    assert "this is not JSON" in story[-1]


FILTERS = [
    (Filter(modality="visual"), [("features", 0), ("features", 2)]),
    (Filter(topics=["p.units.dead-letter"]), [("dead-letter", 0)]),
    (Filter(start=T0 + 60_001, end=T0 + 60_003), [("decision", 1), ("decision", 2)]),
    (Filter(unit="LT-9"), [("observation", 17), ("dead-letter", 0)]),
]


@pytest.mark.parametrize(("chosen", "wanted"), FILTERS)
def test_filters(recording: Recording, chosen: Filter, wanted: list[tuple[str, int]]) -> None:
    assert [(row.kind, row.offset) for row in rows(recording, TOPICS, chosen)] == wanted


def test_what_cannot_be_read_says_why(recording: Recording) -> None:
    reasons = {row.kind: row.reason for row in rows(recording, TOPICS, Filter()) if row.reason}
    assert reasons["unreadable"] == "no UTF-8"
    assert reasons["dead-letter"] == "malformed"
    assert "not JSON" in reasons["decision"]


def test_json_lines(recording: Recording) -> None:
    out = io.StringIO()
    assert export_jsonl(rows(recording, TOPICS, Filter()), out) == len(list(made()))
    read = [json.loads(line) for line in out.getvalue().splitlines()]
    assert read == [asdict(row) for row in rows(recording, TOPICS, Filter())]
    (amended,) = [each for each in read if each["status"] == "amended"]
    assert json.loads(amended["json"])["revision"] == 2


def test_duckdb_reads_the_parquet(regrade, recording: Recording, tmp_path: Path) -> None:
    out = tmp_path / "rows.parquet"
    ended = regrade("inspect", str(recording.path), "--export", "parquet", "--out", str(out))
    assert (ended.code, ended.out) == (0, "")
    query = f"""
        select unit_id, revision, option, len(missing), json->>'$.status'
        from '{out}' where kind = 'decision' and passage_id is not null order by all
    """
    assert duckdb.sql(query).fetchall() == [
        ("LT-1", 1, "resell", 5, "final"),
        ("LT-1", 2, "resell", 0, "amended"),
        ("LT-2", 1, "resell", 4, "final"),
    ]
    times = f"select epoch_ms(min(timestamp)), count(timestamp), count(*) from '{out}'"
    count = len(list(made()))
    assert duckdb.sql(times).fetchall() == [(T0 + 100, count - 1, count)]


def test_the_screen(regrade, recording: Recording) -> None:
    ended = regrade("inspect", str(recording.path))
    assert ended.code == 0
    assert "5 units; 2 passages decided (2 by window), 1 of them with every modality" in ended.out
    assert "p.units.text[0] 14 to 16" in ended.out
    assert regrade("inspect", str(recording.path), "--unit", "LT-2").out.count("\n") == 2
    assert json.loads(regrade("inspect", str(recording.path), "--json").out) == json.loads(
        json.dumps(summary_of(recording))
    )


def test_damage_is_told_and_is_no_success(regrade, recording: Recording) -> None:
    victim = recording.path / f"{NOTES}-0" / f"{10:020}.avro"
    whole = victim.read_bytes()
    victim.write_bytes(whole[: len(whole) // 2] + b"\0\0" + whole[len(whole) // 2 + 2 :])
    ended = regrade("inspect", str(recording.path))
    assert ended.code == 1
    assert "1 places could not be read:" in ended.out
    assert f"{NOTES}-0/{10:020}.avro, bytes " in ended.out
    ended = regrade("inspect", str(recording.path), "--unit", "LT-3")
    assert (ended.code, "could not be read" in ended.err) == (1, True)


def test_cut_anywhere_it_says_what_is_whole_and_what_is_missing(recording: Recording) -> None:
    """500 cuts of any file."""
    rng, whole = random.Random(8), summary_of(recording)
    places = [(row.topic, row.partition, row.offset) for row in rows(recording, TOPICS, Filter())]
    files = sorted(recording.path.glob("*/*.avro"))
    for _ in range(500):
        victim = rng.choice(files)
        content = victim.read_bytes()
        victim.write_bytes(content[: rng.randrange(len(content))])
        cut = Recording(recording.path)
        left = [(row.topic, row.partition, row.offset) for row in rows(cut, TOPICS, Filter())]
        found = summary_of(cut)
        victim.write_bytes(content)
        topic, _, partition = victim.parent.name.rpartition("-")
        lost = set(places) - set(left)
        assert {place[:2] for place in lost} <= {(topic, int(partition))}
        assert all(offset < gone for *tp, offset in left for *other, gone in lost if tp == other)
        assert found["damage"][-1]["end"] == len(content)  # type: ignore[index]
        assert len(left) + len(lost) == len(places)
        assert found["topics"] != whole["topics"] or not lost


def test_the_manifest_is_made_again(regrade, recording: Recording) -> None:
    manifest = recording.path / "manifest.json"
    before = manifest.read_text("utf-8")
    manifest.unlink()
    assert regrade("inspect", str(recording.path), "--manifest", "--json").code == 0
    assert manifest.read_text("utf-8") == before


def test_what_is_no_recording(regrade, tmp_path: Path) -> None:
    ended = regrade("inspect", str(tmp_path / "nothing"))
    assert (ended.code, ended.err.count("\n")) == (1, 1)
    assert "there is no folder" in ended.err
