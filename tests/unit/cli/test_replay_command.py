"""`regrade replay` without a broker: what comes out, and what goes wrong in one line."""

import json
from pathlib import Path

import pytest

from schemas.codec import encode
from schemas.modality import Modality
from schemas.observation import Observation, Text
from schemas.record import Record
from stream.cli.errors import USAGE
from stream.kafka.topics import Topics
from stream.replay.recording import RecordingWriter

T0 = 1_790_000_000_000
NOWHERE = "127.0.0.1:1"
TOPIC = Topics().observation(Modality.TEXT)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "rec"
    with RecordingWriter(path, partitions={TOPIC: 1}) as writer:
        for n in range(3):
            at = T0 + 1_000 * n
            note = Observation(f"LT-{n}", "n", at, "desk-1", Text("scratched", "en"))
            writer.write(Record(TOPIC, 0, n, at, None, encode(note)))
    return path


def test_offline_says_what_came_of_it(regrade, recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ended = regrade("replay", str(recording), "--offline", "--out", str(out), "--json")
    assert (ended.code, ended.err) == (0, "")
    told = json.loads(ended.out)
    assert told.pop("seconds") > 0
    decided = {"routing.decisions": 3}
    assert told == {
        "from": "raw",
        "replayed": 3,
        "out": str(out),
        "records": decided,
        "damage": [],
    }
    assert regrade("diff", str(out), str(out)).code == 0
    again = regrade("replay", str(recording), "--offline", "--out", str(out))
    assert again.code == 1
    assert again.err.splitlines()[-1] == f"regrade: {out} is not empty; give another folder"


def test_what_is_damaged_is_told_and_the_rest_is_replayed(
    regrade, recording: Path, tmp_path: Path
) -> None:
    [file] = recording.glob("*/*.avro")
    file.write_bytes(file.read_bytes()[:-9])
    ended = regrade("replay", str(recording), "--offline", "--out", str(tmp_path / "o"), "--json")
    assert ended.code == 0
    told = json.loads(ended.out)
    assert told["records"] == {}
    assert told["damage"][0].startswith("units.text-0/00000000000000000000.avro bytes ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--offline"], "--offline and --out DIR belong together"),
        (["--out", "x"], "--offline and --out DIR belong together"),
        (["--rate", "fast"], "--rate is a number above 0, or max, not fast"),
        (["--rate", "0"], "--rate is a number above 0, or max, not 0"),
        (["--rate", "nan"], "--rate is a number above 0, or max, not nan"),
        (["--remap", "a"], "--remap is A=B, two names of topics, not a"),
        (["--from", "decisions"], "'raw', 'features'"),
    ],
)
def test_a_wrong_command_line_is_one_line(
    regrade, recording: Path, options: list[str], message: str
) -> None:
    ended = regrade("replay", str(recording), *options)
    assert (ended.code, ended.err.count("\n")) == (USAGE, 1)
    assert message in ended.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fault", "loss=1"], "'loss=1' is no fault"),
        (["--start", "noon"], "--start"),
        (["--topics", "units.sound"], "has no units.sound; it has units.text"),
        (["-b", NOWHERE], f"no Kafka broker answers at {NOWHERE}"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    regrade, recording: Path, options: list[str], message: str, monkeypatch
) -> None:
    monkeypatch.setenv("REGRADE_REQUEST_TIMEOUT", "2")
    ended = regrade("replay", str(recording), "--json", *options)
    assert (ended.code, ended.err.count("\n"), ended.out) == (1, 1, "")
    assert message in ended.err


def test_training_wants_a_recording_that_is_there(regrade, tmp_path: Path) -> None:
    out = ["train", "--out", str(tmp_path / "w")]
    ended = regrade(*out, "--from-recording", str(tmp_path / "none"))
    assert (ended.code, ended.err.count("\n")) == (USAGE, 1)
    (tmp_path / "labels").touch()
    ended = regrade(*out, "--labels", str(tmp_path / "labels"))
    assert (ended.code, "--labels are of the units of" in ended.err) == (USAGE, True)
