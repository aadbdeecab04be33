"""What every test shares: no settings of the developer's own leak in."""

import os

import pytest

from stream.settings import CONFIG_VARIABLE, PREFIX


@pytest.fixture(autouse=True)
def _no_settings_from_outside(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Drop REGRADE_* variables, but for REGRADE_TEST_*, and any regrade.toml."""
    for name in list(os.environ):
        if name.startswith(PREFIX) and not name.startswith(f"{PREFIX}TEST_"):
            monkeypatch.delenv(name)
    empty = tmp_path_factory.getbasetemp() / "no-settings.toml"
    empty.touch()
    monkeypatch.setenv(CONFIG_VARIABLE, str(empty))
