"""Settings: which source wins, what is refused, and that secrets stay hidden."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from agents.distiller.thresholds import Thresholds
from agents.lab.evaluation import wheels
from schemas.modality import MODALITIES, Modality
from stream.errors import SettingsError
from stream.settings import (
    CACHE_VARIABLE,
    CONFIG_VARIABLE,
    Quantum,
    Settings,
    effective,
    ms,
    unknown_variables,
)


def sources(settings: Settings) -> dict[str, str]:
    return {name: source for name, (_, source) in effective(settings).items()}


def values(settings: Settings) -> dict[str, object]:
    return {name: value for name, (value, _) in effective(settings).items()}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "plant.toml"
    file.touch()
    monkeypatch.setenv(CONFIG_VARIABLE, str(file))
    return file


def test_defaults_are_those_that_the_contracts_name() -> None:
    settings = Settings.load()
    assert settings.bootstrap_servers == "127.0.0.1:9092"
    assert (settings.window, settings.grace, settings.max_out_of_orderness) == (60, 30, 2)
    assert (settings.idle_timeout, settings.max_clock_skew) == (5, 60)
    assert (settings.mark_interval, settings.max_source_lag, settings.max_evidence) == (1, 180, 64)
    assert settings.provisional_after is None
    assert settings.partitions == 6
    assert settings.modalities == MODALITIES
    assert set(sources(settings).values()) == {"default"}


def test_the_default_of_the_clock_skew_is_no_longer_than_the_window() -> None:
    assert Settings.load(window=45).max_clock_skew == 45
    assert Settings.load(window=90).max_clock_skew == 60


def test_argument_beats_environment_beats_file_beats_default(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text('window = 40\ngrace = 10\ngroup = "from-file"\n')
    monkeypatch.setenv("REGRADE_GRACE", "20")
    monkeypatch.setenv("REGRADE_GROUP", "from-environment")
    settings = Settings.load(group="from-argument", partitions=None)
    assert (settings.window, settings.grace, settings.group) == (40, 20, "from-argument")
    found = sources(settings)
    assert found["window"] == "file"
    assert found["grace"] == "environment"
    assert found["group"] == "argument"
    assert found["partitions"] == "default"


def test_a_file_in_the_working_directory_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(CONFIG_VARIABLE)
    monkeypatch.chdir(tmp_path)
    assert Settings.load().window == 60
    (tmp_path / "regrade.toml").write_text("window = 41\n")
    assert Settings.load().window == 41


def test_limits_can_be_set_one_by_one(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text("[limits]\npixels = 1000\n")
    monkeypatch.setenv("REGRADE_LIMITS__RECORD_BYTES", "2000")
    settings = Settings.load()
    assert (settings.limits.pixels, settings.limits.record_bytes) == (1000, 2000)
    assert settings.limits.cycles == 20_000
    found = sources(settings)
    assert found["limits.pixels"] == "file"
    assert found["limits.record_bytes"] == "environment"
    assert found["limits.cycles"] == "default"


def test_tiers_and_what_runs_them_can_be_set_one_by_one(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Settings.load().tiers == Thresholds()
    assert Settings.load().quantum == Quantum("exact", None)
    config.write_text("[tiers]\nsmall_criticality = 0.7\n[quantum]\nshots = 1000\n")
    monkeypatch.setenv("REGRADE_TIERS__CLASSICAL_UNCERTAINTY", "0.05")
    monkeypatch.setenv("REGRADE_TIERS__SMALL_UNCERTAINTY", "0.2")
    monkeypatch.setenv("REGRADE_QUANTUM__DEVICE", "default.qubit")
    settings = Settings.load()
    assert settings.tiers == Thresholds(
        classical_uncertainty=0.05, small_uncertainty=0.2, small_criticality=0.7
    )
    assert settings.quantum == Quantum("default.qubit", 1000)
    found = sources(settings)
    assert found["tiers.small_criticality"] == "file"
    assert found["tiers.small_uncertainty"] == "environment"
    assert found["tiers.medium_uncertainty"] == "default"
    assert found["quantum.device"] == "environment"
    assert found["quantum.shots"] == "file"
    assert unknown_variables() == []


@pytest.mark.parametrize("text", ["visual,text", " visual , text ", "visual,text,"])
def test_modalities_are_named_with_commas(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("REGRADE_MODALITIES", text)
    assert Settings.load().modalities == (Modality.VISUAL, Modality.TEXT)


def test_modalities_are_a_list_in_the_file(config: Path) -> None:
    config.write_text('modalities = ["battery", "text"]\n')
    assert Settings.load().modalities == (Modality.BATTERY, Modality.TEXT)


def test_the_password_is_hidden_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGRADE_SASL_PASSWORD", "hunter2")
    settings = Settings.load(security_protocol="SASL_PLAINTEXT", sasl_username="scanner")
    assert settings.sasl_password is not None
    assert settings.sasl_password.get_secret_value() == "hunter2"
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in repr(effective(settings))
    assert sources(settings)["sasl_password"] == "environment"


WRONG = [
    ({"window": 0}, r"window \(from the argument\): .*greater than 0"),
    ({"grace": -1}, r"grace .*greater than or equal to 0"),
    ({"window": float("inf")}, r"window .*finite"),
    ({"idle_timeout": "soon"}, r"idle_timeout .*valid number"),
    ({"provisional_after": 60}, r"provisional_after \(60 s\) must be less than window \(60 s\)"),
    (
        {"window": 30, "max_clock_skew": 31},
        r"max_clock_skew \(31 s\) must not be longer than window",
    ),
    ({"modalities": ["visual", "visual"]}, "a modality is named twice"),
    ({"modalities": []}, "at least one modality"),
    ({"modalities": ["smell"]}, r"modalities .*'visual', 'spectral'"),
    ({"partitions": 0}, r"partitions .*greater than or equal to 1"),
    ({"topic_prefix": "no spaces"}, r"topic_prefix .*pattern"),
    ({"bootstrap_servers": "kafka"}, r"'kafka' is not host:port"),
    ({"bootstrap_servers": "a:9092,b:99999"}, r"'b:99999' is not host:port"),
    ({"security_protocol": "SASL_SSL"}, "needs sasl_username and sasl_password"),
    ({"heartbeat_interval": 3}, r"heartbeat_interval \(3 s\) must be at most a third"),
    ({"retention": 80}, "retention must be longer than window and grace"),
    ({"decisions_retention": 3600}, "decisions_retention must not be shorter"),
    ({"widnow": 3}, "widnow .*there is no such setting"),
    ({"limits": {"pixels": "many"}}, r"limits\.pixels .*valid integer"),
    ({"limits": {"pixel": 1}}, r"limits\.pixel .*there is no such setting"),
    ({"tiers": {"small_uncertainty": "much"}}, r"tiers\.small_uncertainty .*valid number"),
    ({"tiers": {"small_uncertainty": 0.05}}, r"tiers: .*must rise from tier to tier within 0 to 1"),
    ({"tiers": {"medium_criticality": 1.5}}, r"tiers: .*must rise from tier to tier within 0 to 1"),
    ({"tiers": {"tiny_uncertainty": 0.1}}, r"tiers\.tiny_uncertainty .*there is no such setting"),
    ({"quantum": {"shots": 0}}, r"quantum\.shots .*greater than or equal to 1"),
    ({"quantum": {"shots": "few"}}, r"quantum\.shots .*valid integer"),
    ({"quantum": {"qubits": 4}}, r"quantum\.qubits .*there is no such setting"),
]


@pytest.mark.parametrize(("given", "message"), WRONG)
def test_what_is_wrong_is_said_in_one_line(given: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        Settings.load(**given)
    assert "\n" not in str(caught.value)


def test_what_is_wrong_names_its_source(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text('window = "long"\n')
    monkeypatch.setenv("REGRADE_GRACE", "-3")
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    assert "window (from the file)" in str(caught.value)
    assert "grace (from the environment)" in str(caught.value)


def test_what_is_wrong_within_tiers_names_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGRADE_TIERS__SMALL_UNCERTAINTY", "much")
    monkeypatch.setenv("REGRADE_QUANTUM__SHOTS", "-1")
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    assert "tiers.small_uncertainty (from the environment): " in str(caught.value)
    assert "quantum.shots (from the environment): " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_misspelt_setting_in_the_file_is_refused(config: Path) -> None:
    config.write_text("windwo = 3\n")
    with pytest.raises(SettingsError, match=r"windwo \(from the file\): there is no such setting"):
        Settings.load()


def test_a_broken_file_is_one_line(config: Path) -> None:
    config.write_text("window = \n")
    with pytest.raises(SettingsError, match="cannot read the settings") as caught:
        Settings.load()
    assert str(config) in str(caught.value)


def test_a_named_file_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CONFIG_VARIABLE, "/nowhere/plant.toml")
    with pytest.raises(SettingsError, match=r"REGRADE_CONFIG names /nowhere/plant\.toml"):
        Settings.load()


def test_the_evaluation_reads_the_variable_that_is_known() -> None:
    assert CACHE_VARIABLE == wheels.CACHE_VARIABLE


def test_misspelt_variables_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGRADE_WINDWO", "3")
    monkeypatch.setenv("REGRADE_WINDOW", "50")
    monkeypatch.setenv("REGRADE_LIMITS__PIXELS", "1000")
    monkeypatch.setenv("REGRADE_TIERS__LARGE_UNCERTAINTY", "0.9")
    monkeypatch.setenv("REGRADE_TIERS__MEDIUM_UNCERTAINTY", "0.9")
    monkeypatch.setenv("REGRADE_TEST_BROKER", "127.0.0.1:9092")
    assert unknown_variables() == ["REGRADE_TIERS__LARGE_UNCERTAINTY", "REGRADE_WINDWO"]


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValidationError):
        Settings().window = 3  # type: ignore[misc]


def test_durations_in_milliseconds() -> None:
    settings = Settings(window=45.5, grace=0)
    assert (settings.window_ms, settings.grace_ms) == (45_500, 0)
    assert ms(0.0001) == 1
