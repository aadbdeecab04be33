"""The test harness itself, as a user of the package meets it."""

import pytest
from support.decisions import decision_of
from support.join_driver import JoinTestDriver

from agents.join import JoinConfig, Revision
from schemas.modality import Modality

CONFIG = JoinConfig(
    window=60_000, grace=30_000, expected=lambda unit: (Modality.VISUAL, Modality.TEXT)
)


def test_the_example_of_its_docstring() -> None:
    driver = JoinTestDriver(CONFIG)
    assert driver.pipe("LT-1", "visual", 0, "a") == []
    assert driver.pipe("LT-1", "text", 9_000, "b") == ["LT-1@0#1 final complete [a b]"]
    assert driver.watermark(90_000) == ["finished [a b]"]


def test_outputs_are_kept_as_objects_and_decisions_as_records() -> None:
    driver = JoinTestDriver(CONFIG)
    driver.pipe("LT-1", "visual", 1_000)
    assert driver.finish() == [
        "LT-1@1000#1 final window [visual-1000] without text",
        "finished [visual-1000]",
    ]
    revision = driver.outputs[0]
    assert isinstance(revision, Revision)
    assert driver.decisions == [decision_of(revision)]
    record = driver.decisions[0].model_dump(mode="json")
    assert record["passage"] == {
        "opened_at": "1970-01-01T00:00:01.000Z",
        "deadline": "1970-01-01T00:01:01.000Z",
        "closed_by": "window",
    }
    assert record["missing"] == ["text"]
    assert [e["observation_id"] for e in record["evidence"]] == ["visual-1000"]


def test_a_restart_leaves_what_is_unfinished_to_be_replayed() -> None:
    driver = JoinTestDriver(CONFIG)
    driver.pipe("LT-1", "visual", 0, "a")
    driver.watermark(90_000)
    driver.pipe("LT-2", "visual", 100_000, "b")
    driver.restart()
    assert [a.observation_id for a in driver.undelivered] == ["b"]
    assert driver.replay(driver.undelivered) == []
    assert driver.undelivered == []
    assert driver.finish() == [
        "LT-2@100000#1 final window [b] without text",
        "finished [b]",
    ]
    assert driver.unfinished == {}


def test_a_record_that_is_finished_twice_is_noticed() -> None:
    driver = JoinTestDriver(CONFIG)
    driver.pipe("LT-1", "visual", 0, "a")
    (arrival,) = driver.unfinished.values()
    driver.replay([arrival])
    with pytest.raises(AssertionError, match="finished before"):
        driver.finish()


def test_an_unknown_modality_is_refused() -> None:
    with pytest.raises(ValueError, match="visuell"):
        JoinTestDriver(CONFIG).pipe("LT-1", "visuell", 0)
