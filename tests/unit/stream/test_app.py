"""The Faust apps as Faust's own command line finds them."""

import pytest

import stream.app


@pytest.mark.parametrize("name", ["extract", "decide"])
def test_each_access_gives_the_same_app(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    monkeypatch.setenv("REGRADE_DATADIR", str(tmp_path))
    stream.app._app.cache_clear()
    app = getattr(stream.app, name)
    assert app is getattr(stream.app, name)
    assert app.conf.id == f"regrade-{name}"
    stream.app._app.cache_clear()


def test_nothing_else_is_made_up() -> None:
    with pytest.raises(AttributeError, match="worker"):
        _ = stream.app.worker
