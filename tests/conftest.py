"""What every test shares: brokers for those that ask, and no settings of the developer's own."""

import os
from pathlib import Path

import pytest

from stream.settings import CONFIG_VARIABLE, PREFIX

pytest_plugins = ["support.brokers", "support.kcat"]

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark by folder, so that `-m "not broker"` leaves out all that needs one."""
    for item in items:
        for folder, marks in {"broker": ["broker"], "chaos": ["broker", "chaos"]}.items():
            if HERE / folder in item.path.parents:
                for mark in marks:
                    item.add_marker(mark)


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
