"""A recording gives back what was written, byte for byte, whatever happens to its files."""

import json
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.record import Record, TopicPartition
from stream.errors import RecordingError
from stream.replay.recording import Manifest, Recording, RecordingWriter

PARTITIONS = {"units.text": 2, "units.visual": 3, "units.quiet": 4}

optional_bytes = st.none() | st.binary(max_size=40)
records = st.lists(
    st.builds(
        Record,
        topic=st.sampled_from(["units.text", "units.visual"]),
        partition=st.integers(0, 1),
        offset=st.just(0),
        timestamp=st.integers(-1, 50),
        key=optional_bytes,
        value=optional_bytes,
        headers=st.lists(st.tuples(st.text(max_size=8), optional_bytes), max_size=3).map(tuple),
        timestamp_type=st.integers(-1, 1),
    ),
    max_size=40,
)


def numbered(found: list[Record]) -> list[Record]:
    """With offsets that rise in each partition, and leave holes."""
    last: dict[TopicPartition, int] = {}
    result = []
    for at, each in enumerate(found):
        offset = last[each.tp] = last.get(each.tp, 6) + 1 + at % 3
        result.append(
            Record(
                *each.tp,
                offset,
                each.timestamp,
                each.key,
                each.value,
                each.headers,
                each.timestamp_type,
            )
        )
    return result


def some_records(count: int, seed: int = 1) -> list[Record]:
    rng = random.Random(seed)
    return numbered(
        [
            Record(
                rng.choice(["units.text", "units.visual"]),
                rng.randrange(2),
                0,
                1_000_000 + at * 10 + rng.randrange(50),
                b"LT-%06d" % at,
                rng.randbytes(rng.randrange(200)),
                (("a", b"1"), ("a", None)),
            )
            for at in range(count)
        ]
    )


def write(path: Path, given: list[Record], **options: int) -> None:
    with RecordingWriter(path, partitions=PARTITIONS, **options) as writer:  # type: ignore[arg-type]
        for record in given:
            writer.write(record)


def by_place(found: Iterator[Record] | list[Record]) -> list[Record]:
    return sorted(found, key=lambda record: (record.tp, record.offset))


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, list[Record]]:
    """A recording of several files and many blocks."""
    given = some_records(600)
    write(tmp_path / "rec", given, block_bytes=1024, max_file_bytes=8192)
    return tmp_path / "rec", given


@given(records, st.integers(1, 300), st.integers(1, 900))
def test_it_gives_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, found: list[Record], block: int, size: int
) -> None:
    path = tmp_path_factory.mktemp("rec")
    given = numbered(found)
    write(path, given, block_bytes=block, max_file_bytes=size)
    for without_manifest in (False, True):
        recording = Recording(path)
        read = list(recording.records())
        assert by_place(read) == by_place(given)
        assert recording.damage == ()
        for partition in {record.tp for record in read}:
            offsets = [record.offset for record in read if record.tp == partition]
            assert offsets == sorted(offsets)
        if given:
            counts = PARTITIONS if not without_manifest else Recording(path).topics
            assert recording.topics == counts == PARTITIONS
        else:
            break
        (path / "manifest.json").unlink(missing_ok=True)


def test_records_come_in_time_order(written: tuple[Path, list[Record]]) -> None:
    path, _ = written
    rising: dict[TopicPartition, int] = {}
    read = []
    for record in Recording(path).records():
        rising[record.tp] = max(rising.get(record.tp, 0), record.timestamp)
        read.append(rising[record.tp])
    assert read == sorted(read)


def test_only_topics_and_times_asked_for(written: tuple[Path, list[Record]]) -> None:
    path, given = written
    start, end = 1_001_000, 1_002_000
    read = list(Recording(path).records(["units.text"], start=start, end=end))
    wanted = [r for r in given if r.topic == "units.text" and start <= r.timestamp < end]
    assert by_place(read) == by_place(wanted)
    with pytest.raises(RecordingError, match=r"no topic units\.sound; it has units\.quiet"):
        Recording(path).records(["units.sound"])


def test_the_same_records_make_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / name, some_records(100), block_bytes=1000, max_file_bytes=4000)
    files = [p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*") if p.is_file()]
    assert len(files) > 4
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_a_manifest_is_made_again_from_the_files(written: tuple[Path, list[Record]]) -> None:
    path, _ = written
    before = Manifest.read(path)
    assert before is not None
    (path / "manifest.json").write_text("{")
    assert Manifest.read(path) is None
    assert Manifest.of(path) == before


def test_damage_in_the_middle_costs_a_block(written: tuple[Path, list[Record]]) -> None:
    path, given = written
    victim = sorted(path.glob("*/*.avro"))[0]
    whole = victim.read_bytes()
    rng = random.Random(3)
    for _ in range(100):
        at = rng.randrange(len(whole))
        victim.write_bytes(
            whole[:at] + bytes([whole[at] ^ rng.randrange(1, 256)]) + whole[at + 1 :]
        )
        recording = Recording(path)
        read = list(recording.records())
        missing = len(given) - len(read)
        assert set(map(repr, read)) <= set(map(repr, given))
        assert missing <= 12
        assert not missing or any(d.start <= at < d.end for d in recording.damage)


def test_it_is_read_when_cut_anywhere(written: tuple[Path, list[Record]], tmp_path: Path) -> None:
    """500 cuts, each with and without the manifest."""
    path, given = written
    rng = random.Random(4)
    files = sorted(path.glob("*/*.avro"))
    for round_ in range(500):
        victim = rng.choice(files)
        whole = victim.read_bytes()
        at = rng.randrange(len(whole))
        victim.write_bytes(whole[:at])
        if round_ == 250:
            shutil.move(path / "manifest.json", tmp_path / "aside")
        recording = Recording(path)
        read = list(recording.records())
        victim.write_bytes(whole)
        tps = victim.parent.name
        kept = [r for r in given if f"{r.topic}-{r.partition}" != tps]
        assert [r for r in by_place(read) if f"{r.topic}-{r.partition}" != tps] == by_place(kept)
        if len(read) < len(given) and round_ < 250:
            assert any(d.end == len(whole) for d in recording.damage)


def test_a_file_that_is_gone_is_told(written: tuple[Path, list[Record]]) -> None:
    path, _ = written
    victim = sorted(path.glob("*/*.avro"))[1]
    victim.unlink()
    recording = Recording(path)
    list(recording.records())
    assert [damage.file for damage in recording.damage] == [f"{victim.parent.name}/{victim.name}"]
    assert "missing" in recording.damage[0].why


def test_it_is_resumed_after_a_cut(tmp_path: Path) -> None:
    """A crash leaves any prefix of what the last block of a partition's last file would be."""
    given = some_records(300)
    rng = random.Random(5)
    path = tmp_path / "rec"
    options = {"block_bytes": 700, "max_file_bytes": 3000}
    write(path, given[:1], **options)
    for _ in range(40):
        writer = RecordingWriter(path, partitions=PARTITIONS, resume=True, **options)  # type: ignore[arg-type]
        following = writer.next_offsets
        todo = [r for r in given if r.offset >= following.get(r.tp, 0)]
        for record in todo[: rng.randrange(20)]:
            writer.write(record)
        writer.flush()
        open_files = [path / file.name for file in writer._open.values()]
        os.close(writer._lock)  # as a kill does
        if open_files:
            victim = rng.choice(open_files)
            victim.write_bytes(victim.read_bytes()[: rng.randrange(victim.stat().st_size)])
    with RecordingWriter(path, partitions=PARTITIONS, resume=True) as writer:
        following = writer.next_offsets
        for record in given:
            if record.offset >= following.get(record.tp, 0):
                writer.write(record)
    recording = Recording(path)
    assert by_place(recording.records()) == by_place(given)
    assert recording.damage == ()
    manifest = Manifest.read(path)
    assert manifest is not None
    (path / "manifest.json").unlink()
    assert Manifest.of(path) == manifest


def test_a_partition_without_records_is_resumed_where_it_began(tmp_path: Path) -> None:
    path, quiet = tmp_path / "rec", TopicPartition("units.quiet", 3)
    writer = RecordingWriter(path, partitions=PARTITIONS)
    writer.begin(quiet, 77)
    os.close(writer._lock)  # as a kill does
    for cut in (0, 100, None):
        (file,) = path.glob("units.quiet-3/*.avro")
        file.write_bytes(file.read_bytes()[:cut])
        (path / "manifest.json").unlink()
        with RecordingWriter(path, partitions=PARTITIONS, resume=True) as writer:
            assert writer.next_offsets == {quiet: 77}
        recording = Recording(path)
        assert (list(recording.records()), recording.damage) == ([], ())
    with RecordingWriter(path, partitions=PARTITIONS, resume=True) as writer:
        writer.write(Record(*quiet, 80, 5, None, None))
    assert [record.offset for record in Recording(path).records()] == [80]


def test_files_end_by_time(tmp_path: Path) -> None:
    write(tmp_path / "rec", some_records(300), max_file_ms=500)
    manifest = Manifest.read(tmp_path / "rec")
    assert manifest is not None
    assert len(manifest.files) > 20
    assert all(e.span.latest - e.span.earliest < 550 for e in manifest.files.values())  # type: ignore[operator]


def test_what_a_writer_refuses(tmp_path: Path) -> None:
    path, given = tmp_path / "rec", some_records(3)
    with RecordingWriter(path, partitions=PARTITIONS) as writer:
        writer.write(given[0])
        with pytest.raises(RecordingError, match="or a later one must follow"):
            writer.write(given[0])
        with pytest.raises(RecordingError, match="another process is writing"):
            RecordingWriter(path, partitions=PARTITIONS, resume=True)
    with pytest.raises(RecordingError, match=r"there is a recording in .* already"):
        RecordingWriter(path, partitions=PARTITIONS)
    with pytest.raises(RecordingError, match="there is no folder"):
        Recording(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RecordingError, match="there is no recording"):
        Recording(tmp_path / "empty")


def test_fastavro_itself_reads_a_file(written: tuple[Path, list[Record]]) -> None:
    import fastavro

    path, given = written
    count = 0
    for file in path.glob("*/*.avro"):
        with file.open("rb") as opened:
            reader = fastavro.reader(opened)
            assert json.loads(reader.metadata["regrade.partitions"]) == PARTITIONS
            count += sum(1 for _ in reader)
    assert count == len(given)
