"""`regrade settings`: values with their source, secrets hidden, misspelt variables told."""

import json


def test_values_come_with_their_source(regrade, monkeypatch) -> None:
    monkeypatch.setenv("REGRADE_WINDOW", "45")
    ended = regrade("settings", "--json")
    assert ended.code == 0
    found = json.loads(ended.out)
    assert found["settings"]["window"] == {"value": 45.0, "source": "environment"}
    assert found["settings"]["grace"] == {"value": 30.0, "source": "default"}
    assert found["settings"]["provisional_after"]["value"] is None
    assert found["settings"]["modalities"]["value"][0] == "visual"
    assert found["settings"]["limits.pixels"]["value"] == 16_000_000
    assert found["unknown_variables"] == []


def test_a_table_for_people(regrade, monkeypatch) -> None:
    monkeypatch.setenv("REGRADE_WINDOW", "45")
    lines = regrade("settings").out.splitlines()
    (window,) = [line for line in lines if line.strip().startswith("window ")]
    assert window.split() == ["window", "45.0", "environment"]


def test_secrets_are_hidden(regrade, monkeypatch) -> None:
    monkeypatch.setenv("REGRADE_SASL_PASSWORD", "hunter2")
    for arguments in (["settings"], ["settings", "--json"]):
        ended = regrade(*arguments)
        assert "hunter2" not in ended.out + ended.err
        assert "*****" in ended.out


def test_a_misspelt_variable_is_told(regrade, monkeypatch) -> None:
    monkeypatch.setenv("REGRADE_WIDNOW", "45")
    ended = regrade("settings", "--json")
    assert ended.code == 0
    assert json.loads(ended.out)["unknown_variables"] == ["REGRADE_WIDNOW"]
    assert "REGRADE_WIDNOW sets nothing" in ended.err
